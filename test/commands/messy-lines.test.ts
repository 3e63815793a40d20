import { expect, test } from 'bun:test';
import type { MintUrl } from '@nostr-dm-agent/cashu-wallet';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { EventId, InboundMessage, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import { createCommands } from '../../src/commands/all-commands.ts';
import type { OrderedTask } from '../../src/commands/command.ts';
import { createDispatcher } from '../../src/commands/dispatch.ts';
import { type Meaning, readMeaning } from '../../src/commands/meaning/meaning.ts';
import { createConnectionKeeper } from '../../src/keys/connection-keeper.ts';
import { createSealer } from '../../src/keys/seal.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { depsWithoutWallet } from '../support/commands.ts';
import { silentLog } from '../support/inbox.ts';
import { talk, work } from '../support/phone-lines.ts';

const token = `cashuBo2F0gaJhaUgA_9SLj17PgGFwgaNhYQFhc3hAYWNjMTI0MzVlN2I4NDg0YzNjZjE4NTAxNDkyMThhZjkw${'Zm9v'.repeat(20)}`;
const invoice = `lnbc20u1p3y0x3hpp5743k2g0fsqqxj7n8qzuhns5gmkk4djeejk3wkp64ppevgekvc0jsdqcve5kzar2v9nr5gpqd4hkuetesp5ez2g297jduwc20t6lmqlsg3man0vf2jfd8ar9fh8fhn2g8yttfkqxqy9gcqcqzys9qrsgqrzjqtx3k77yrrav9hye7zar2rtqlfkytl094dsp0ms5majzth6gt7ca6uhdkxl983uywgqqqqlgqqqvx5qqjqrzjqd98kxkpyw0l9tyy8r8q57k7zpy9zjmh6sez752wj6gcumqnj3yxzhdsmg6qq56utgqqqqqqqqqqqeqqjq7jd56882gtxhrjm03c93aacyfy306m4fq0tskf83c0nmet8zc2lxyyg3saz8x6vwcp26xnrlagf9semau3qm2glysp7sv95693fphvsp54l567`;
const npub = `npub1${'q'.repeat(58)}`;
const chain = 'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq';
const lnurl = `lnurl1${'dp68gurn8ghj7um9wfmxjcm99e3k7mf0v9cxj0m385ekvcenxc6r2c35xvukx'}`;
const nsec = `nsec1${'vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5'.slice(0, 58)}`;
const words = `${'abandon '.repeat(11)}about`;
const nwc = `nostr+walletconnect://${'b8'.repeat(32)}?relay=wss%3A%2F%2Frelay.example&secret=${'71'.repeat(32)}`;
const apiKey = `sk-proj-${'QwErTyUiOp12'.repeat(4)}`;
const broken = (text: string, width: number, by: string) =>
  text.replace(new RegExp(`(.{${width}})`, 'g'), `$1${by}`);

/** A line as somebody typed, pasted or dictated it, and what it is. */
const lines: readonly (readonly [line: string, meaning: string])[] = [
  // Ended, however it is said.
  ...[
    ...[
      'STOP!!',
      'Stop !',
      'stop 🛑',
      '🛑',
      'pls stop',
      'please, stop!',
      'Hey, stop',
      'no, stop!',
      'Stop it now',
    ],
    ...[
      'stop the run',
      'can you stop?',
      'stopp!!',
      'arrête',
      'alto',
      '!Stop!!',
      '! stop',
      '/stop@mybot',
      '!!stop',
    ],
    ...['exclamation mark stop', '¡stop!', '❗️stop', '‼️ stop'.replace(' ', ''), '“stop.”', `${npub} stop`],
  ].map((line) => [line, '!stop'] as const),
  ...['stop stop stop!', 'STOP, STOP', 'Stop. Stop.', 'stop there', 'wait, stop!', 'stop :('].map(
    (line) => [line, '!stop'] as const,
  ),
  ...['stop\n\nSent from my iPhone', 'Stop.\n-- \nAlice', '⏹️', '⏸', 'stop what you are doing'].map(
    (line) => [line, '!stop'] as const,
  ),
  ...['stop everything!', 'STOP ALL', '!stop all.', '!stopall', 'cancel all'].map(
    (line) => [line, '!stop all'] as const,
  ),
  // A command without its mark, with another one, or spoken.
  ...[
    'help',
    'Help 🙏',
    'help pls',
    'help me',
    'hilfe',
    '!hilfe',
    'ayuda',
    '?',
    '/start',
    '.help',
    '--help',
  ].map((line) => [line, '!help'] as const),
  ['Exclamation point help', '!help'],
  ['bang help', '!help'],
  ['#help', '!help'],
  ['Balance?', '!wallet balance'],
  ['balance pls', '!wallet balance'],
  ['how many sats are left?', '!wallet balance'],
  ['How many sats do I have', '!wallet balance'],
  ['top up my wallet pls', '!wallet topup'],
  ['who are you?', '!help'],
  ['what’s going on?', '!status'],
  ['status :)', '!status'],
  ['queue drop 2 :)', '!queue drop 2'],
  ['what’s my balance?', '!wallet balance'],
  ["what's my balance", '!wallet balance'],
  ['how much is left?', '!wallet balance'],
  ['!wallet-balance', '!wallet balance'],
  ['!Balance 🙏', '!wallet balance'],
  ['/balance', '!wallet balance'],
  ['exclamation mark wallet balance', '!wallet balance'],
  ['status please', '!status'],
  ['what are you doing?', '!status'],
  ['hey !status', '!status'],
  ['@bot !status', '!status'],
  ['bot: !status', '!status'],
  ['!status.  ', '!status'],
  ['!status 🏓', '!status'],
  ['!status !queue', '!status + !queue'],
  ['!status, !queue', '!status + !queue'],
  ['!status\n\n> quoted\n!queue', '!status + !queue (unread)'],
  ['!status of the build', '!status (unread)'],
  ['new chat', '!new'],
  ['/clear', '!new'],
  ['clear the queue', '!queue drop all'],
  ['continue please', '!continue'],
  ['resume 2', '!resume 2'],
  ['queue drop 2', '!queue drop 2'],
  ['mode plan', '!mode plan'],
  ['help wallet', '!help wallet'],
  ['provider set local', '!provider set local'],
  // Money that is spoken of.
  ['send 100', '!wallet send 100'],
  ['send 100 sats pls', '!wallet send 100 sats'],
  ['send all', '!wallet send all'],
  ['topup 1k pls', '!wallet topup 1k'],
  ['Top up 1,000 sats please', '!wallet topup 1,000 sats'],
  ['!topup 1k pls 🙏', '!wallet topup 1k'],
  ['!top-up 500', '!wallet topup 500'],
  ['topup', '!wallet topup'],
  ['withdraw', '!wallet withdraw'],
  ['wallet receive', '!wallet receive'],
  ['deposit 1000', '!help provider deposit'],
  // Money itself.
  ...[
    token,
    `here you go: ${token} 🙏`,
    `cashu:${token}`,
    `CASHU:${token}`,
    `web+cashu://${token}`,
    `\`${token}\``,
  ].map((line) => [line, 'tokens'] as const),
  ...[
    `https://wallet.example/?token=${token}`,
    `> ${token}`,
    broken(token, 50, '\n'),
    broken(token, 50, ' '),
  ].map((line) => [line, 'tokens'] as const),
  // Hardly more than its beginning, and nothing else.
  ...['cashuBfoo', 'cashu:cashuBo2F0', 'redeem cashuBo2F0 pls', 'cashuAeyJ0b2…'].map(
    (line) => [line, 'tokens'] as const,
  ),
  ...['what is cashuBo2F0?', 'cashubtc', 'Cashu wallet'].map((line) => [line, 'task'] as const),
  ['lnbc1notaninvoice', 'payee lnbc1notaninvoice'],
  ['pay LNBC20U1ABC please', 'payee LNBC20U1ABC'],
  ['lnbc1 is a prefix, explain it', 'task'],
  [`!ask what is ${token}`, 'tokens'],
  [`!wallet ${token}`, 'tokens'],
  [`!redeme ${token}`, 'tokens'],
  ...[
    invoice,
    `lightning:${invoice}`,
    `LIGHTNING:${invoice.toUpperCase()}`,
    `pay ${invoice} pls`,
    ` ${invoice}\n`,
  ].map((line) => [line, 'invoice'] as const),
  ...[broken(invoice, 60, '\n'), broken(invoice, 40, ' '), broken(invoice, 64, '\n> ')].map(
    (line) => [line, 'invoice'] as const,
  ),
  [`bitcoin:${chain}?amount=0.00002&lightning=${invoice}`, 'invoice'],
  [`BITCOIN:${chain.toUpperCase()}?LIGHTNING=${invoice.toUpperCase()}`, 'invoice'],
  [`bitcoin:${chain}?amount=0.00002`, `payee bitcoin:${chain}?amount=0.00002`],
  [chain, `payee ${chain}`],
  [lnurl, `payee ${lnurl}`],
  [`LIGHTNING:${lnurl.toUpperCase()}`, `payee LIGHTNING:${lnurl.toUpperCase()}`],
  ['lightning:name@example.com', 'payee lightning:name@example.com'],
  ['send 2,000 sats to name@example.com please', 'payee name@example.com 2,000 sats'],
  // What nobody should have sent.
  ...[nsec, `my key: ${nsec}`, `!ask whose is ${nsec}?`, words, `seed: ${words.toUpperCase()}`, nwc].map(
    (line) => [line, 'secret'] as const,
  ),
  // Codes and answers.
  ...[
    '4711',
    '47 11',
    '#4711',
    '４７１１',
    'code 4711',
    'code: 47 11',
    'the code is 4711',
    '4711 please',
    'yes 4711',
    'OK, 4711!',
  ].map((line) => [line, 'code 4711'] as const),
  ...['pin: 4711', "it's 4711 👍", 'four seven one one', 'confirm 4711'].map(
    (line) => [line, 'code 4711'] as const,
  ),
  ['!confirm 4711', '!wallet confirm 4711'],
  ...[
    'yes',
    'YES!!',
    'yes please',
    'Yes 👍',
    'yup',
    'ok',
    'Okay!',
    'k',
    'sí',
    'да',
    'はい',
    '好的',
    'oui',
    'evet',
  ].map((line) => [line, 'yes'] as const),
  ...['👍', '👍🏽', '👍👍', '✅'].map((line) => [line, 'yes'] as const),
  ...[
    'no',
    'NO!!',
    'no thanks',
    'nope',
    'nein danke',
    'não',
    'нет',
    'いいえ',
    '不要',
    '👎🏿',
    '❌',
    'never mind',
    'no no no',
    'no :(',
    'nvm',
    'Never mind, forget it!',
    "no, don't",
  ].map((line) => [line, 'no'] as const),
  // Kind, and no work.
  ...[
    'thanks',
    'Thank you!',
    'thx 🙏',
    'gn',
    '❤️',
    '😂',
    'good night',
    'bye',
    'Great, thanks!',
    ...[
      'thx :)',
      ':D',
      'xD',
      '<3',
      '^^',
      'thanks <3',
      '🤷',
      '🤷🏽‍♂️',
      '👀',
      'Thank you very much!',
      'lgtm',
      'Great work!',
    ],
    ...['oops, sorry', 'wrong chat', 'thanks, thanks', 'haha haha'],
  ].map((line) => [line, 'courtesy'] as const),
  ...['', '  ', '\u200b', '\0', '\u001b\u0007', '\u3164', '\ufe0f', '…', '!'].map(
    (line) => [line, 'empty'] as const,
  ),
  // A slip: asked about when it is near, else said to be none.
  ['!stauts', '? status'],
  ['sotp', '? stop'],
  ['Hlep!', '? help'],
  ['blance', '? wallet balance'],
  ['!pign', '? ping'],
  ['!balanec', '? wallet balance'],
  ['!wallet blance', '? wallet balance'],
  ['!wallet please', '!wallet'],
  ['!provider anthropic', '?'],
  ['!knife', '?'],
  ['! fix the bug', '?'],
  // Somebody who looks whether anybody is there.
  ...[
    ...[
      'hi',
      'Hello there!',
      'Hey bot',
      'heyyy',
      'hi, how are you?',
      'Good morning ☀️',
      'gm',
      'you there?',
      'hola',
    ],
    ...['Guten Morgen!', 'bom dia', 'test', 'Testing 1 2 3', 'just a test', 'this is a test', 'test test'],
  ].map((line) => [line, 'greeting'] as const),
  ...['wait', 'Hold on!', 'one moment please', 'warte mal'].map((line) => [line, 'hold'] as const),
  ...[
    'thanks for the help, great job!',
    'Danke schön',
    'muchas gracias',
    'got it',
    'that looks great 👌',
  ].map((line) => [line, 'courtesy'] as const),
  ...['is it done yet?', 'done?', 'status update?', 'any progress?', 'fertig?'].map(
    (line) => [line, '!status'] as const,
  ),
  ...['how much left', 'how much money do i have left?', 'how many sats have you got', 'wieviel noch?'].map(
    (line) => [line, '!wallet balance'] as const,
  ),
  ...[
    '!stop it',
    '!stop the run please',
    '@bot stop',
    `stop nostr:${npub}`,
    'pause',
    'halt stop',
    'ｓｔｏｐ',
    'stop*',
    'para ya',
  ].map((line) => [line, '!stop'] as const),
  ...['parar', 'abbrechen', '—stop', '<!stop>', '- !stop', '1. !stop', 'thanks! stop.'].map(
    (line) => [line, '!stop'] as const,
  ),
  ...['!help me', 'What can I do here?', 'how do I start?'].map((line) => [line, '!help'] as const),
  ['help with the wallet', '!help wallet'],
  ['Cashu', '!help wallet'],
  ['!new session', '!new'],
  ['start over', '!new'],
  ['undo that', '!undo'],
  ['new worktree', '!new --worktree'],
  ['!new —worktree please', '!new --worktree'],
  ['!merge.', '!merge'],
  ['show me the diff', '!diff'],
  ['status\nqueue', '!status + !queue'],
  ['Hi! Status?', '!status'],
  ['!yes', '!yes'],
  ['!no thanks', '!no'],
  ["no don't do that", 'no'],
  ['/login', '? log'],
  // What begins like a command of its own, and is work.
  ...['task 0', 'task', 'task run', 'in 20m look', 'at line 30 it fails', 'every test fails', 'remind 5'].map(
    (line) => [line, 'task'] as const,
  ),
  ['schedule', '!schedule'],
  ...['cancel that', 'Cancel it please', '✋'].map((line) => [line, 'called-off'] as const),
  ...['1000 sats', '2k', '1,000 sat', '₿ 500 sats'].map((line) => [line, 'amount'] as const),
  ...[npub, `nostr:${npub}`, 'wss://relay.example'].map((line) => [line, 'reference'] as const),
  ['> you said this\n> and this', 'quote'],
  // What means nothing without what stands before it.
  ...['go on', 'more', 'try again', 'why?', 'what?', 'and?', 'nochmal', 'ok, next'].map(
    (line) => [line, 'fragment'] as const,
  ),
  ...['2', '#2', '2)', '２', '2️⃣', 'done', '100%'].map((line) => [line, 'fragment'] as const),
  // What lets its holder in.
  ...[
    `my openai key is ${apiKey}, use it please`,
    `put OPENAI_API_KEY=${apiKey} into the file .env and run it`,
    `ghp_${'QwErTy12'.repeat(5)}`,
  ].map((line) => [line, 'access-key'] as const),
  // Work.
  ...[
    'fix the bug',
    'stop the server on port 3000',
    'help me write a parser',
    'yes, and add a test',
    'stop stop words in the index',
    'merge',
    'test it',
    'deploy',
    'fix it\n\nSent from my iPhone',
    'fix the :) in the footer',
    'top up my wallet page with a footer',
  ].map((line) => [line, 'task'] as const),
  ...[
    ...[
      'test this',
      'test the login page',
      'tests',
      'again the tests fail',
      'more tests',
      'why does it fail?',
    ],
    ...[
      'undo the last commit',
      'what is left to do?',
      'hi, add a license',
      'good morning message: localize it',
    ],
    ...[
      'is this good?',
      'option 2',
      '2 more tests',
      'balance the tree in tree.ts',
      'pause the video on scroll',
    ],
    ...[
      'use process.env.OPENAI_API_KEY',
      'rename .sk-chasing-dot-before-2 in a.css',
      'thanks page: add a title',
    ],
    ...[
      'restart the server',
      'what is this function for?',
      '> quoted\nshorten it',
      'use 1000 sats as default',
    ],
  ].map((line) => [line, 'task'] as const),
  ...[
    'no, use tabs',
    'send 100 mails',
    'status of the build?',
    'topup page',
    'what is 4711 in hex',
    'issue 4711',
  ].map((line) => [line, 'task'] as const),
  ...[
    '/etc/hosts: what is it?',
    '.env is missing',
    '# Help\nWrite it.',
    'read https://a.example/lnurl1',
    '!! mind this',
  ].map((line) => [line, 'task'] as const),
  ...[
    `is ${chain} a taproot address?`,
    'mail bob@example.com',
    'reset the database',
    'thanks, now fix the tests',
  ].map((line) => [line, 'task'] as const),
  ...['abandon the plan about the zoo', 'what is an nsec1 key?'].map((line) => [line, 'task'] as const),
];

const named = (meaning: Meaning): string => {
  switch (meaning.kind) {
    case 'commands':
      return `${meaning.commands
        .map((match) =>
          match.found
            ? `!${match.command.path} ${match.argument}`.trim()
            : `? ${match.nearest?.path ?? ''}`.trim(),
        )
        .join(' + ')}${meaning.unread === '' ? '' : ' (unread)'}`;
    case 'code':
      return `code ${meaning.digits}`;
    case 'answer':
      return meaning.answer;
    case 'payee':
      return `payee ${meaning.payee} ${meaning.amount}`.trim();
    default:
      return meaning.kind;
  }
};

const idOf = (count: number) => count.toString(16).padStart(64, '0') as EventId;

/** A bot without relays and without an agent: what it makes of a message. */
function openChat() {
  const deps = depsWithoutWallet();
  const { stores } = deps;
  const keys = createConnectionKeeper({
    ambient: {},
    store: stores.keys,
    sealer: createSealer(new Uint8Array(32).fill(7)),
    home: '/nowhere',
    clock: deps.clock,
    protect: () => () => undefined,
    bind: () => undefined,
    log: silentLog,
  });
  const meaningOf = (text: string) =>
    readMeaning(text, { match: registry.match, isWholeToken: (found) => found === token });
  const registry = createCommands({ ...deps, meaningOf });
  const messages = createMessageStore(stores.db, deps.clock, keys.guard);
  const owner = 'a'.repeat(64) as PublicKey;
  stores.owners.put(owner, 'admin', owner);
  const said: string[] = [];
  /** Whether something was said before. */
  const continues = { now: false };
  const tasks: OrderedTask[] = [];
  const dispatcher = createDispatcher({
    meaningOf,
    match: registry.match,
    confirmations: stores.confirmations,
    asks: deps.asks,
    tasks: { order: (_, asked) => tasks.push(asked), callOff: () => 0, continues: () => continues.now },
    admission: { admit: () => {}, noteOnCode: () => undefined },
    messages,
    messenger: {
      send: (_, text) => {
        said.push(text);
        return [];
      },
      react: () => {},
    },
    stores,
    redact: (text) => text,
    limits: { homeMadeAt: 0, catchupMs: 1e9, gatherMs: 1, commandTimeoutMs: 5_000 },
    clock: deps.clock,
    log: silentLog,
  });
  dispatcher.start();
  let count = 0;
  return {
    meaningOf,
    said,
    tasks,
    continues,
    /** As after `!wallet send 10`. */
    proposes: (code: string) =>
      stores.confirmations.propose(
        owner,
        code,
        { kind: 'send', amount: sat(10), mint: 'https://mint.example' as MintUrl, key: 'send' },
        deps.clock.now() + 60_000,
      ),
    send: async (text: string, rest: Partial<Pick<InboundMessage, 'kind' | 'references'>> = {}) => {
      count += 1;
      const message: InboundMessage = {
        id: idOf(count),
        sender: owner,
        protocol: 'nip17',
        kind: 14,
        text,
        references: [],
        createdAt: Math.floor(deps.clock.now() / 1000),
        relay: 'wss://relay.example/' as RelayUrl,
        ...rest,
      };
      const stored = messages.insert(message, message.id, 'received');
      if (stored === undefined) throw new Error('stored before');
      const before = said.length + tasks.length;
      const tasksBefore = tasks.length;
      dispatcher.accept(stored);
      for (let turn = 0; turn < 1000 && said.length + tasks.length === before; turn++) await Bun.sleep(0);
      return {
        stored: stored.text,
        isTask: tasks.length > tasksBefore && tasks.at(-1)?.task === text,
        answered: said.length + tasks.length - before,
      };
    },
    close: () => dispatcher.close(),
  };
}

test('each line is taken for what it is', () => {
  const { meaningOf } = openChat();
  expect(lines.map(([line]) => [line, named(meaningOf(line))])).toEqual(lines.map((each) => [...each]));
});

const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');

test('of hundreds of lines, none is a task that was none, and all work is done', () => {
  const { meaningOf } = openChat();
  const isWork = (line: string): boolean => meaningOf(line).kind === 'task';
  expect(linesOf(talk).filter(isWork)).toEqual([]);
  // Where something was said before, a fragment goes on with it.
  expect(linesOf(work).filter((line) => !isWork(line) && meaningOf(line).kind !== 'fragment')).toEqual([]);
});

test('no line is a task that was none, and none is unanswered', async () => {
  const chat = openChat();
  const wrong: string[] = [];
  for (const [line, meaning] of lines) {
    const { answered, isTask } = await chat.send(line);
    if (answered === 0) wrong.push(`unanswered: ${line}`);
    if (isTask !== (meaning === 'task')) wrong.push(`${isTask ? 'a task' : 'no task'}: ${line}`);
  }
  expect(wrong).toEqual([]);
  await chat.close();
});

test('while a code waits, no consent is a task; without one it is', async () => {
  const chat = openChat();
  chat.continues.now = true;
  expect((await chat.send('Go ahead!')).isTask).toBe(true);
  chat.proposes('4711');
  for (const line of ['Go ahead!', 'do it', 'ok, do it pls', 'send it 👍', 'yes', 'pay it']) {
    expect([line, (await chat.send(line)).isTask]).toEqual([line, false]);
    expect(chat.said.at(-1)).toContain('four digits');
  }
  expect((await chat.send('do it in Rust')).isTask).toBe(true);
  for (const line of ['2', '1000 sats', 'cancel that', 'wait']) {
    expect([line, (await chat.send(line)).isTask]).toEqual([line, false]);
    expect(chat.said.at(-1)).toMatch(/four digits|Nothing was paid/);
  }
  await chat.close();
});

test('what means something only by what stands before it is work where something does', async () => {
  const chat = openChat();
  for (const line of ['why?', 'Again!', '2', 'go on']) {
    expect([line, (await chat.send(line)).isTask]).toEqual([line, false]);
    chat.continues.now = true;
    expect([line, (await chat.send(line)).isTask]).toEqual([line, true]);
    chat.continues.now = false;
  }
  await chat.close();
});

test('a token, an address and politeness beside them are not said to be unread; other words are', async () => {
  const chat = openChat();
  for (const line of [`here is some money ${token} thanks`, `please pay ${invoice}`, `${token}\n\n!status`]) {
    await chat.send(line);
    expect(chat.said.at(-1)).not.toContain('was not read');
  }
  expect(chat.said.at(-1)).toContain('Relays:');
  await chat.send(`fix the login ${token}`);
  expect(chat.said.at(-1)).toContain('“fix the login”');
  await chat.close();
});

test('a secret key that was sent is neither kept nor said again', async () => {
  const chat = openChat();
  for (const secret of [nsec, words, nwc]) {
    const { stored } = await chat.send(`look: ${secret}`);
    expect(stored).not.toContain(secret);
    expect(chat.said.at(-1)).toContain('holds a secret key');
  }
  const { stored } = await chat.send(`use ${apiKey} for the requests in a.ts`);
  expect(stored).not.toContain(apiKey);
  expect(chat.said.at(-1)).toContain('no agent saw it');
  expect(chat.tasks).toEqual([]);
  // Said on purpose, it is the agent's.
  await chat.send(`!agent use ${apiKey} for the requests in a.ts`);
  expect(chat.tasks.at(-1)?.task).toContain(apiKey);
  await chat.close();
});

test('what was deleted before it came is not done; the same words again are', async () => {
  const chat = openChat();
  await chat.send('', { kind: 5, references: [idOf(2)] });
  expect(await chat.send('fix the bug')).toMatchObject({ isTask: false, answered: 0 });
  expect((await chat.send('fix the bug')).isTask).toBe(true);
  await chat.close();
});

test('a text as long as one can be is read in a moment, and none is too deep', () => {
  const { meaningOf } = openChat();
  for (const part of ['"', '\n', ' ', '!', 'please ', `${'cashuA'.padEnd(30, 'a')} `])
    for (const before of ['', '!ask ', 'x'])
      expect(meaningOf(`${before}${part.repeat(128_000 / part.length)} !!`).kind).not.toBe('secret');
});
