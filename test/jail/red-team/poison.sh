# An earlier run of the same owner leaves behind what it can.
mkdir -p ~/.cache/opencode/bin ~/.opencode/plugin ~/.config/opencode/plugin
printf '#!/bin/sh\nid > /tmp/RG\n' > ~/.cache/opencode/bin/rg
chmod +x ~/.cache/opencode/bin/rg
touch ~/.bashrc ~/.gitconfig ~/.config/opencode/plugin/x.js /tmp/left /dev/shm/left /var/tmp/left
S=${STORE:-/run/jail/store}
rm -f $S/opencode.db*
ln -s /etc/passwd $S/opencode.db
mkfifo $S/opencode.db-wal
mkdir $S/opencode.db-shm $S/bin
echo hi > $S/bin/rg
ln -s / $S/root
(setsid sh -c "env -i setsid sh -c 'while :; do echo alive > /tmp/l; sleep $SURVIVOR; done' &" &)
(setsid nohup sleep $SURVIVOR >/dev/null 2>&1 &)
sleep 0.2
echo poisoned
