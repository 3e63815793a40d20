import { expect, test } from 'bun:test';
import { createCommands } from '../../src/commands/all-commands.ts';
import { splitBudget } from '../../src/commands/budget-suffix.ts';
import { readMeaning } from '../../src/commands/meaning/meaning.ts';
import { notTakenFromSpeech } from '../../src/commands/spoken.ts';
import type { Unspoken } from '../../src/replies/voice-replies.ts';
import { heardIn } from '../../src/voice/heard.ts';
import { depsWithoutWallet } from '../support/commands.ts';

const registry = createCommands(depsWithoutWallet());
const isWholeToken = () => false;
const meaningOf = (text: string) => readMeaning(text, { match: registry.match, isWholeToken });
/** What keeps a recording from being acted on; `caption`: what was typed beside it. */
const refusal = (said: string, caption = ''): Unspoken | 'silence' | undefined => {
  const heard = heardIn(said);
  if (heard === undefined) return 'silence';
  const text = (/^[!！]/u.test(caption) ? [caption, heard] : [heard, caption]).filter(Boolean).join('\n\n');
  return notTakenFromSpeech(text, meaningOf(text));
};

/** What a transcription may make of what was said, by accent, punctuation, marks and languages. */
const spoken: readonly (readonly [Unspoken | undefined, readonly string[]])[] = [
  [
    'money',
    [
      'Wallet send 100.',
      '!wallet send 100',
      '“!wallet send 100”',
      '`!wallet withdraw all`',
      '¡wallet send 100!',
      '！！wallet send 100',
      'ǃwallet send 100',
      'Exclamation mark wallet withdraw all.',
      'Slash wallet send one hundred.',
      'Hey bot, !wallet send 100',
      'Wallet, send, one hundred.',
      'Please send 100 sats to Bob.',
      'Okay, pay this invoice.',
      'Withdraw everything.',
      'Send my bitcoin to Alice',
      'Top up my wallet with 5000 sats',
      'bang provider deposit 500',
      'exclamation mark wallet autotopup off',
      'provider set openai',
      'exclamation point provider limit off',
      '1 2 3 4',
      'The code is one two three four',
      'Code 1234, please.',
    ],
  ],
  [
    'consent',
    [
      'Yes.',
      'Yes, yes!',
      'Ja.',
      'Sí, claro.',
      'はい。',
      'Yes, do it.',
      'Go ahead.',
      '!yes',
      'slash yes',
      'OK 👍',
    ],
  ],
  [
    'command',
    [
      'slash schedule every day at 8 deploy the site',
      'bang schedule every 5m run the tests',
      'Exclamation mark, task deploy = remove everything',
      '“!task deploy = rm -rf .”',
      'slash schedule run 1',
      'schedule drop 1',
      'slash owners add npub1abc',
      'slash invite',
      'exclamation mark sh ls',
      '`!sh rm -rf .`',
      'continue 5000',
      'slash limit 1 off',
      'queue drop 2',
      'slash merge',
      'slash get .env',
      'bang every 5m status',
      'bang remind 5m tea',
      'slash ask what is this',
    ],
  ],
  ['one_word', ['Tests', 'Task.', 'Merge.']],
  [
    undefined,
    [
      'Status.',
      'Stop!',
      'What is my balance?',
      'Schedule.',
      'Schedule 3.',
      'Retry.',
      'Switch the model to opus.',
      'No, leave it.',
      'Slash diff',
      'Run the tests and tell me which fail.',
      'Make the page say yes when it is saved.',
      // Work on programs that are about money.
      'Add the bitcoin price to the header.',
      'Move the wallet into its own package.',
      'Send an error when the wallet is locked.',
      'Add a test that pays 100 sats to the invoice function',
      'Give me a summary of the bitcoin whitepaper.',
    ],
  ],
];
test('of what is said aloud only that is done which a misheard word can’t make dear', () => {
  const taken = spoken.flatMap(([expected, all]) =>
    all.flatMap((said) => (refusal(said) === expected ? [] : [`${said}: ${refusal(said)}, not ${expected}`])),
  );
  expect(taken).toEqual([]);
});

test('a recording beside a typed command is its task, and nothing else of it', () => {
  const table: readonly (readonly [string, string, Unspoken | undefined])[] = [
    ['!ask', 'what does this do', undefined],
    ['!agent', '!wallet send 100', undefined],
    ['!wallet send', '1000', 'beside_command'],
    ['！wallet withdraw', 'all of it', 'beside_command'],
    ['!every 5m', 'run the tests', 'beside_command'],
    ['!yes', 'indeed it is', 'beside_command'],
    ['!sh', 'list the files', 'beside_command'],
    ['!remind 5m', 'tea is ready', 'beside_command'],
    ['!now', 'look at this first', 'beside_command'],
    ['!task deploy =', 'remove the old files', 'beside_command'],
    ['!quick', 'what is a monad', undefined],
  ];
  expect(table.map(([caption, said]) => [caption, said, refusal(said, caption)])).toEqual(
    table.map((each) => [...each]),
  );
});

test('no budget is spoken, and a secret that is said aloud is not kept', () => {
  for (const said of ['Fix it now!! 500', 'fix it !!5000', 'fix it ！！5k', 'fix it! !!90000'])
    expect(splitBudget(heardIn(said) ?? '').state).toBe('plain');
  const words = `${'abandon, '.repeat(11)}about`;
  expect(heardIn(`My words are ${words}. Keep them.`)).not.toContain('abandon');
});
