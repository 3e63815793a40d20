/** As people type on phones: nothing of it is work, whatever is said before it; each line is a message. */
export const talk = `
stop
Stop
STOP
stop.
stop!!
Stop it pls
stop it
stop that
stop this
stop now
stop please
pls stop
please stop
Please stop now!
stop stop stop
ok stop
no stop
No, stop!
STOP IT NOW
! stop
!stop
!Stop
!STOP!
!stop it
!stop please
!stop now
！stop
/stop
“stop”
“!stop”
'stop'
*stop*
stop 🛑
🛑
✋
cancel
cancel that
Cancel it please
abort
abort!
kill it
halt
@bot stop
stopp
sotp
stpo
stop everything
stop all
stop the task
stop the run
stop running
cancel the task
cancel the run
stop working
pause
wait stop
wait, stop
wait
hold on
never mind
nevermind
nvm
forget it
don't
no dont
no don't do that
balance?
Balance
balance
how much left
How much left?
Whats my balance
What’s my balance?
what is my balance
how many sats do i have
How many sats are left?
how much money do I have
how much money is left
my balance
show balance
show me my balance
show me the balance pls
check balance
wallet balance
!balance
!ballance
!Wallet Balance
!wallet
wallet
Wallet?
my wallet
!walet
!wallet balnce
balance pls
sats?
sats left?
how many sats left
help
Help!
help me
help pls
help please
HELP
/help
/start
!help
!Help wallet
!help me
!help wallet
help wallet
help with wallet
?
??
!
!?
/
!halp
hlep
commands
commands?
what can you do
what can you do?
What can I do here?
how does this work
How does this work?
how do i use this
how do I start?
menu
! help
!help!
.help
-help
--help
help -h
I need help
can you help me
can you help me?
hi
Hi!
hello
Hello there
hey
Hey bot
hi bot
good morning
Good morning!
gm
GM ☀️
gn
good night
yo
sup
whats up
how are you
How are you?
are you there
Are you there?
you there?
anyone there?
still there?
test
Test
testing
testing 123
test test
ping
pong
thanks
Thank you!
thx
ty
thank u so much
thanks a lot, great job!
great
Great job
nice!
cool
perfect 👌
lol
haha
ok
Ok.
okay
k
kk
K
yes
Yes.
yep
yeah
Yup
sure
no
nope
nah
y
n
👍
👎
❤️
🤙
😂😂😂
🔥
⚡️
👀
...
…
.
-
😊 thanks
sorry
oops
wrong chat
Sorry, wrong chat
bye
see you
good bot
wow
hmm
who are you
who are you?
what is this
i see
got it
sounds good
done
done?
Done?
ready?
is it done
is it done yet?
are you done?
finished?
and?
so?
what
what?
huh
why?
2
2.
1
#2
2)
1234
2000
1000 sats
1000 sat
2k
2k sats
100%
1,000 sats
status
Status?
!status
/status
what's the status
Whats the status?
status pls
status update?
what are you doing
What are you doing?
queue
!queue
show queue
!queue clear
!new
new
new session
start over
!new session
reset
retry
!retry
again
try again
Try again please
do it again
once more
continue
!continue
Continue please
continue pls
go on
keep going
go ahead
carry on
continue 2000
proceed
more
!more 1000
more 1000
undo
undo that
revert that
show diff
models
!models
model
!model gpt
mode
!mode ask
mode plan
sessions
history
!history
version
!version
settings
resume
!resume 1
provider
!provider
topup
top up
topup 1000
top up 1000 sats
!topup 1000
!top up 1000
deposit
!withdraw
withdraw
withdraw all
send 100
send 100 sats
!send 100
receive
!wallet  Receive
!wallet recieve
refund
!spend
spend
invoice
quit
exit
/quit
restart
/reset
/new
/model
/balance
/wallet balance
/unknowncommand
!foo
!fooo bar baz
!!
!!stop
!!!
!statsu
!stauts
!hlep
!wallet top up 1000
!wallet topup 1 000
!wallet topup 1,000
!wallet topup 1.000 sats
!wallet topup ten
!wallet topup -5
!wallet topup
!wallet topup €5
!wallet send
!wallet send lots
!Provider Set Routstr
!provider set
!provider budget 2k
!provider budjet 2k
!yes
!no
!sesions
¡stop
!STATUS
!status.
!status,
!status?
!status !queue
!status and !queue
> some quoted words of the bot
@bot !status
@bot status
bot, status
hey bot stop
Hi, !status
please !stop
ok !stop
Can you !stop
ǃstop
❗stop
❗️status
-!stop
1. !status
—stop
*!status*
**!status**
_stop_
<!status>
[!status]
(stop)
"!status"
‘!status’
«!status»
„stop“
Stopp
stopp bitte
para
Para!
parar
pare
abbrechen
cancelar
detener
alto
arrête
halt stop
hilfe
Hilfe!
ayuda
ayuda por favor
ajuda
aide
saldo
Saldo?
saldo por favor
guthaben
Kontostand
ja
Ja bitte
nein
danke
Danke schön
gracias
muchas gracias
obrigado
obrigada!
sim
não
nao
sí
si
vale
hola
hallo
olá
ola
oi
guten morgen
Guten Tag
buenos días
buenas
bom dia
merci
oui
non
weiter
nochmal
fertig?
listo
genau
super
alles klar
moin
servus
tudo bem?
qué tal
wie geht's?
wieviel noch?
cashu
lnbc
hii
heyyyy
Hello, is anybody there?
anybody here?
hi there, I'm new here
hey, it's me
Good evening, bot.
morning!
g'day
howdy partner
wassup
sup bro
yo bot
how's it going?
hru
u ok?
who dis
who is this?
are you a bot?
are you human
what's your name?
test 123
test message please ignore
1 2 3 test
testtest
tst
ignore
ignore this
please ignore
sry
ok thx
ok cool
k thanks
okay thank you
great thank you so much!!
thank you for your help
awesome work man
nice work!! 🎉
that's perfect
this is great
love it ❤️
:)
;-)
😅
💪💪
🚀🚀🚀
🤖
👋
hm ok
oh ok
ah i see
aha
uh huh
nah its fine
no its ok
not needed anymore
its fine
all good
no worries!
leave it
let it be
ignore my last message
please wait
wait!!
one sec
brb
back
I'm back
i am here
yes yes yes
Yess
yesss!!
jup
jep
ok do
okeydokey
aye aye
yes sir
no way
noooo
nein danke
ne
да
спасибо
привет
你好
谢谢
ありがとう
Stop please 🙏
please just stop
stop doing that
stop whatever you're doing
stop what ur doing
stop right there
pls cancel
cancel my task
cancel last task
cancel the last one
cancel everything please
abort mission
abort everything
kill the task
kill the agent
kill all
end task
end this
stop agent
stop bot
STOP STOP STOP!!!!
stooop
stopppp
staph
omg stop
wtf stop
no no no stop
stop!!! 😡
Stop, please.
I said stop
can you stop please?
could you please stop
you can stop now
you should stop
hör auf!
stop damit
detente por favor
pare por favor
стоп
how much sats left
how many sats left in wallet?
how much is in my wallet
how much is in the wallet?
whats in my wallet
what's in the wallet?
how much have I got
do i have money?
do I have any sats
how much can i spend?
how much did i spend
bal
blance?
balence
current balance
wallet?
show wallet
!wallet show
!wallet status
!wallet info
!bal
! balance
how do i add money
how do i add sats?
how can i pay
how do i pay you
how do I top up?
i want to top up
i want to add 1000 sats
add 1000 sats
give me an invoice for 1000 sats
invoice 1000
invoice for 5000 sats
make invoice 2000
fund 1000
deposit sats
topup 5k
top up with 5000
top-up 5000
pay
pay 100
cash out
withdraw everything
send all
send me my sats
give me my money back
refund me
refund please
how much does it cost
how much does a task cost?
what does it cost?
price?
prices
pricing
what models do you have
which models are there?
list models
available models
what model are you?
which model do you use?
change model
switch model to gpt
clear
clear history
clear chat
reset session
forget everything
new topic
new task
start new
what is running?
whats running
anything running?
what's in the queue?
is anything running
my sessions
list sessions
my tasks
list tasks
tasks
jobs
last error
uptime
logs
!logs
!ls
!sudo reboot
!exit
!quit
!hi
!hello
!thanks
!test
!1
!2000
!4711
!yes please
!ok
!continue please
!retry please
!retry now
!new please
!new chat
!stop this
!stop everything
!queue please
!queue show
!status please
!status now
!sessions list
!models list
!models all
!help please
!help !wallet
!help /stop
!help commands
!help me please
!helpme
!stopit
!walletbalance
!wallet_balance
!balance?
!balance please
!topup
!topup 1000 please
!topup: 1000
!topup=1000
!topup 1000sats
!topup 1000 sats please
!topup 10.000
!topup "1000"
!topup <1000>
!send 10 sats please
!mode Ask.
!mode: plan
!model: gpt
!owner
!owners list
!invite please
status?!
status...
help!!!1
hepl
hellp
halp
statsu
satus
queu
qeue
blanace
contiune
continu
retyr
`;

/** Work, each line a task, however near to a word of the bot's. */
export const work = `
test the login page
stop using var in src/a.ts
balance the tree in tree.ts
help me write a README
continue the refactoring of x
send an email template for our newsletter
Add a README
fix it
fix the bug
fix the tests
run the tests
Run tests
list files
ls
what files are here?
explain src/index.ts
why is the build failing?
why does it fail?
what is a monad?
how much memory does this program use?
how many lines are in main.ts?
what's the balance of the account table in db.sql?
show me the diff between main and dev
stop the server on port 3000
stop the docker container
kill the process on port 8080
cancel the subscription when user leaves, in sub.ts
wait for the CI before deploying, add that to deploy.yml
status page: add one
new component for the header
reset the password form styles
undo the last commit
revert the last commit
retry failed requests in http.ts
try again with the other approach
try the other approach
do it again but with tests
continue with the second file
go on with step 2
more comments in a.ts please
more tests
yes, and add tests for it
yes please add the tests
no, use the other file
no, that's wrong. Use const instead
ok now add a test
ok, next: fix the header
thanks! now also update the docs
great, now deploy it
hi, can you add a license file?
hello, please write hello.txt
Hello world in Rust
hello world program
write a hello world
test coverage report please
test it
test this
check the wallet code in src/wallet.ts
wallet page: fix the layout
implement a cashu wallet
what is cashu?
what is a lightning invoice?
write a parser for lnbc invoices
how do cashuB tokens work? explain in notes.md
refactor the pay function
pay attention to the types in a.ts and fix them
pay special attention to performance
send a POST request to localhost:3000
send the form data as JSON
withdraw function is broken, fix it
make a script that prints my npub
rename foo to bar
2 more tests please
use 4 spaces
option 2
the second one
a
b) is better
update dependencies
commit
commit and push
git status
git diff
npm test
bun test
npm run build
deploy
build
refactor
lint
Translate readme to german
Schreib eine README
hilf mir mit dem Test in a.ts
añade un test
ayuda con el login en login.ts
para el servidor de pruebas
adicione um teste
écris un test
stoppe den Server auf Port 3000
/src/index.ts has a bug
/etc/hosts explain
“fix the typo in a.ts”
1) add tests 2) run them
TypeError: undefined is not a function
TypeError: x is not a function at a.ts:12
Error: ENOENT
how do I exit vim?
exit code 1 when i run it
is a.ts done?
is it possible to speed up the tests?
can you make it faster
make it faster
make it blue
shorter please
shorter
in english please
simplify
explain
summarize
summarize the readme
who wrote this file?
what did you change?
what did you do?
what does this project do?
why did you do that?
why did you change a.ts?
tell me a joke
What time is it
are you able to run docker?
can you read images?
Can you help me with the login page?
I need help with the css
help the user find the menu in nav.ts
menu component: add icons
commands folder: list the files
add a !help command to my bot
when a user types "stop" the bot should stop
The button says stop, change it to Cancel
replace sats by satoshis in ui.ts
convert 1000 sats to usd in price.ts
add alice@getalby.com to the README
set my email to alice@example.com in package.json
change contact to bob@example.org
use npub1 prefixes in profile.ts
add a link to https://github.com/a/b
https://github.com/a/b/issues/3 fix this
look at https://example.com/page
read .env.example and document each variable
use process.env.OPENAI_API_KEY instead of the literal
replace sk-xxxx placeholder in docs
rotate the api key in config.ts
abandon the idea of the zoo and write about cats instead in cats.md
print 1234
set port to 8080
the code is 1234 lines long, shorten it
abort on SIGTERM in main.ts
halt on first error in ci.yml
again the tests fail, fix
good morning message in ui.ts should be localized
thanks page needs a title
ready state is wrong in a.ts
done callback is never called in a.ts
ping the server and tell me latency
pong game in html
queue implementation in queue.ts is slow
history of this file please
model the domain with types
mode switch for dark mode
plan the migration
plan a migration to vite
ask mode for the app: design it
version bump to 1.2.0
bump version
budget calculator in html
spend less time in the loop in a.ts
receive webhooks in server.ts
invoice generator in python
refund policy page
top up button in wallet.tsx
deposit form validation
provider component cleanup
session handling is broken
new readme
write tests !!500
fix a.ts !!2k
hi fix the bug in a.ts
hello please list files
hey bot, run the tests
thanks, next fix b.ts
great! now add tests
ok run it
ok run the tests please
yes do that and then commit
stop the watcher process in dev.ts
stop it from crashing
stop logging secrets
stop using tabs
stop all tests from running twice
cancel button does nothing
cancel the request when the component unmounts
kill the zombie processes
end the sentence with a period
how do i stop it?
how can I stop the server?
why did it stop?
don't stop at the first error
when does it stop?
what does stop() do?
abort the fetch on timeout
how much memory is left on this machine?
how much disk is left?
how many tests are left?
how many files are there
how much does it weigh
what is in the wallet.ts file
show me the money format function
what's in the config?
what is in src?
add money formatting to utils.ts
add sats conversion
add a wallet page
add money type
make an invoice template
create an invoice pdf generator
invoice model: add a total field
give me an example invoice in json
buy button is broken
fund the project page text
top up flow test
show models folder
list the models in src/models
which models does the app use?
what models are in prisma schema
change the model class name
switch model to singleton pattern
set model to null in a.ts
list models.py functions
clear the cache
clear the screen on start
clear the build folder
reset the form after submit
reset session token after login
new history page
forget the previous idea, use redis
start new branch
open a new file main.ts
start the server
start the app
tasks page: add filter
list tasks in the backlog.md
jobs.yml fails
what's running on port 3000?
is anything running on port 3000?
what is waiting for the lock?
logs are too noisy
show logs of the server
price list component
prices.csv: sum them
how much does the api cost in the code comments
pricing page
cost function is wrong
progress bar in the header
update deps
update the readme
any update on the header component? make it blue
about page
options page needs css
settings page
setup eslint
config for vite
usage section in the readme
menu is broken
tutorial for beginners in docs/
manual tests: describe them
wait 5 seconds before retry
hold on to the reference in a.ts
ignore node_modules in eslint
ignore the tests folder
ignore case in search
leave it as it is but rename foo
back button
back to top link
anyone can edit: fix permissions
good morning page
nice to have: dark mode
great circle distance function
well known folder: add nostr.json
super class constructor missing
super().foo is wrong
cool down timer
perfect number check in python
thanks section in the readme
welcome page
interesting bug: a.ts crashes
true is returned instead of false
all good tests should pass
done flag never set
ready()
next.js upgrade
why is it slow
again from the start: create app
which file?
who owns this repo
where is main
go fmt
go build
go mod tidy
do it in python
undo manager in editor.ts
redo the header
diff of a.txt and b.txt
show me the changes since v1
what changed since yesterday?
queue length metric
k8s config
no tests are run, why?
yes/no dialog
ok button
ya.ts is broken
y axis label
x
help text for the cli
help command in cli.ts
help section
how does this work? explain the parser
how does it work internally
what can this script do
how do I run this?
how do i use this function?
how to use the api
what is this repo about
what is that file for
who is this user in seed.sql?
test 1 fails
test one more time with node 20
testing library: add it
check message format
hello world
hi-fi player css
hey api client: generate
morning routine app
day 1 of advent of code
day 12
all days of the week array
evening theme colors
bot
bot status page
wallet balance component
balance is negative in test 3
my balance sheet parser
show balance in navbar
get balance via api in wallet.ts
total funds table
credits page
add credits to the footer
sats to btc
left align the title
what is left to do
whats left?
1 + 1
2+2
5 * 7 = ?
v2
100% coverage
0
3.14
10.5
1000 sats per user as default
`;
