import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Command } from '../../src/commands/command.ts';
import { createRegistry } from '../../src/commands/command-registry.ts';
import { readMeaning } from '../../src/commands/meaning/meaning.ts';

const command = (path: string, rest: Partial<Pick<Command, 'parameters' | 'takesTask'>> = {}): Command => ({
  path,
  ...rest,
  family: 'Bot',
  summary: path,
  role: 'member',
  kind: 'immediate' as const,
  examples: [`!${path}`],
  run: () => ({ reply: path }),
});
const registry = createRegistry([
  ...['ping', 'status', 'version', 'sessions', 'retry', 'wallet', 'wallet balance', 'balance'].map((path) =>
    command(path),
  ),
  command('stop', { parameters: '[all]' }),
  command('help', { parameters: '[command]' }),
  command('queue', { parameters: '[clear]' }),
  command('queue drop', { parameters: '<n|all>' }),
  command('wallet receive', { parameters: '<token>' }),
  command('wallet topup', { parameters: '<sats>' }),
  command('ask', { parameters: '[task]', takesTask: true }),
]);

const token = `cashuBo2F0gaJhaUgA_9SLj17PgGFwgaNhYQFhc3hAYWNjMTI0MzVlN2I4NDg0YzNjZjE4NTAxNDkyMThhZjkw${'Zm9v'.repeat(20)}`;
const other = `cashuAeyJ0b2tlbiI6W3sibWludCI6Imh0dHBzOi8vODMzMy5zcGFjZTozMzM4Ii${'wicHJvb2Zz'.repeat(9)}==`;
const invoice = `lnbc20u1p3y0x3hpp5743k2g0fsqqxj7n8qzuhns5gmkk4djeejk3wkp64ppevgekvc0jsdqcve5kzar2v9nr5gpqd4hkuetesp5ez2g297jduwc20t6lmqlsg3man0vf2jfd8ar9fh8fhn2g8yttfkqxqy9gcqcqzys9qrsgqrzjqtx3k77yrrav9hye7zar2rtqlfkytl094dsp0ms5majzth6gt7ca6uhdkxl983uywgqqqqlgqqqvx5qqjqrzjqd98kxkpyw0l9tyy8r8q57k7zpy9zjmh6sez752wj6gcumqnj3yxzhdsmg6qq56utgqqqqqqqqqqqeqqjq7jd56882gtxhrjm03c93aacyfy306m4fq0tskf83c0nmet8zc2lxyyg3saz8x6vwcp26xnrlagf9semau3qm2glysp7sv95693fphvsp54l567`;

const read = (text: string) =>
  readMeaning(text, { match: registry.match, isWholeToken: (found) => found === token || found === other });
const asked = (text: string): readonly string[] => {
  const meaning = read(text);
  if (meaning.kind !== 'commands') return [meaning.kind];
  return meaning.commands.map((match) =>
    match.found
      ? [match.command.path, match.argument].filter((part) => part !== '').join(': ')
      : `? ${match.asked}`,
  );
};

describe('a command is understood', () => {
  test.each([
    ['!ping', ['ping']],
    ['  ！Ping ', ['ping']],
    ['! ping', ['ping']],
    ['!ping.', ['ping']],
    ['!stop.', ['stop']],
    ['!status!', ['status']],
    ['“!ping”', ['ping']],
    ['`!ping`', ['ping']],
    ['```\n!ping\n```', ['ping']],
    ['*!ping*', ['ping']],
    ['"!stop."', ['stop']],
    ['\u200b!ping\u200f', ['ping']],
    ['/stop', ['stop']],
    ['/help', ['help']],
    ['/start', ['help']],
    ['/Wallet Balance', ['wallet balance']],
    ['/ask What is in README.md?', ['ask: What is in README.md?']],
    ['> you said\n> something\n\n!ping', ['ping']],
    [`nostr:npub1${'q'.repeat(58)} !ping`, ['ping']],
    [`@npub1${'q'.repeat(58)}, stop`, ['stop']],
    ['stop', ['stop']],
    [`stop nostr:npub1${'q'.repeat(58)}`, ['stop']],
    [`!help npub1${'q'.repeat(58)}`, [`help: npub1${'q'.repeat(58)}`]],
    ['Stop!', ['stop']],
    ['STOP', ['stop']],
    ['cancel', ['stop']],
    ['stop all', ['stop: all']],
    ['clear the queue', ['queue drop: all']],
    ['help', ['help']],
    ['Help?', ['help']],
    ['status', ['status']],
    ['wallet balance', ['wallet balance']],
    ['Balance', ['balance']],
    ['!status\n!queue', ['status', 'queue']],
    ['!status\n\n`!ping`\n!queue drop 2', ['status', 'ping', 'queue drop: 2']],
    ['!wallet topup 1000.', ['wallet topup: 1000']],
    ['!ask why is it slow?\nIt took 3 s.', ['ask: why is it slow?\nIt took 3 s.']],
    [
      '!ping\n!ask and\n!this is not a command of its own',
      ['ping', 'ask: and\n!this is not a command of its own'],
    ],
    ['!nonsense', ['? nonsense']],
    [`!wallet receive ${token}`, [`wallet receive: ${token}`]],
    [
      `!wallet receive\n${token.slice(0, 70)}\n${token.slice(70)}`,
      [`wallet receive: ${token.slice(0, 70)}\n${token.slice(70)}`],
    ],
  ])('%j', (text, expected) => {
    expect(asked(text)).toEqual(expected);
  });
});

describe('work for the agent stays as it was sent', () => {
  test.each([
    'fix the failing test',
    'Stop the server on port 3000 and start it again',
    'help me write a parser',
    'status of the build?',
    'yes, and add a test',
    'no, use tabs',
    '/etc/hosts: what is in it?',
    '/usr/bin/env is missing',
    'what is 12345 in hex',
    '!! this is important',
    '!!500 fix it',
    'cashubtc is a GitHub organisation, list its repositories',
    'read https://github.com/cashubtc/nuts/blob/main/00.md and implement it',
    'cashu: explain it to me',
    'a note\n!ping',
    '> quoted\nwhy is that?',
    'lnbc is a prefix, of what?',
    'ask',
  ])('%j', (text) => {
    expect(read(text)).toEqual({ kind: 'task', text });
  });
});

describe('a message that holds money is no task', () => {
  const broken = token.replace(/(.{64})/g, '$1\n');
  test.each([
    [token, ''],
    [`  ${token}  `, ''],
    [`here you are: ${token} thanks!`, 'here you are: thanks!'],
    [`here you are:\n${token}.`, 'here you are: .'],
    [`\`${token}\``, ''],
    [`\`\`\`\n${token}\n\`\`\``, ''],
    [`CASHU:${token}`, ''],
    [`web+cashu://${token}`, ''],
    [`https://wallet.example/#token=${token}`, ''],
    [`https://redeem.example/?token=${token} enjoy`, 'enjoy'],
    [broken, ''],
    [broken.replaceAll('\n', '\r\n'), ''],
    [`> ${broken.replaceAll('\n', '\n> ')}`, ''],
    [`${broken}\nAlice`, 'Alice'],
    [`${token}\nthanks`, 'thanks'],
    [`${token}-- sent from my phone`, '-- sent from my phone'],
    [`!ask what is this? ${token}`, 'what is this?'],
  ])('%j', (text, words) => {
    expect(read(text)).toEqual({ kind: 'tokens', tokens: [token], words });
  });

  test('two tokens are two, the same twice is one', () => {
    expect(read(`${token}\n${other}`)).toMatchObject({ kind: 'tokens', tokens: [token, other] });
    expect(read(`${token} ${token}`)).toMatchObject({ kind: 'tokens', tokens: [token] });
  });

  test('a name is no money, also where there is no wallet to ask', () => {
    const askNobody = { match: registry.match, isWholeToken: () => true };
    for (const text of [
      'cashubtc is a GitHub organisation',
      'compare cashub and cashu.me',
      'https://github.com/cashubtc/nuts',
    ]) {
      expect(readMeaning(text, askNobody)).toEqual({ kind: 'task', text });
    }
    expect(readMeaning(`see ${token}`, askNobody)).toMatchObject({ kind: 'tokens', tokens: [token] });
  });

  test('one that is cut off is still not shown to a model', () => {
    expect(read(`${token.slice(0, 80)} please`)).toMatchObject({
      kind: 'tokens',
      tokens: [token.slice(0, 80)],
    });
  });

  test.each([
    [invoice, ''],
    [invoice.toUpperCase(), ''],
    [`lightning:${invoice}`, ''],
    [`please pay ${invoice}`, 'please pay'],
    [`bitcoin:bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq?amount=0.00002&lightning=${invoice}`, ''],
    [`!ask why does ${invoice} not decode?`, 'why does not decode?'],
  ])('an invoice: %j', (text, words) => {
    expect(read(text)).toEqual({ kind: 'invoice', invoice, words });
  });

  test('wherever a token stands among words and lines, it is found whole and nothing of it is left', () => {
    const words = fc.string({
      unit: fc.constantFrom('a', 'B', ' ', '\n', '.', '!', '(', '>', '`', 'é'),
      maxLength: 30,
    });
    fc.assert(
      fc.property(words, words, fc.integer({ min: 20, max: 120 }), (before, after, width) => {
        const lines = token.match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
        const text = `${before} ${lines.join('\n')} ${after}`;
        const meaning = read(text);
        // With the mark before it, it may be what a command takes.
        if (/^\s*(?:>[^\n]*\n\s*)*[!(`]/.test(before)) return;
        expect(meaning).toMatchObject({ kind: 'tokens', tokens: [token] });
      }),
      { numRuns: 500 },
    );
  });
});

describe('what answers something is no task', () => {
  test.each([
    ['4711', { kind: 'code', digits: '4711' }],
    [' 47 11 ', { kind: 'code', digits: '4711' }],
    ['4711.', { kind: 'code', digits: '4711' }],
    ['`4711`', { kind: 'code', digits: '4711' }],
    ['123456', { kind: 'code', digits: '123456' }],
    ['yes', { kind: 'answer', answer: 'yes' }],
    ['Yes!', { kind: 'answer', answer: 'yes' }],
    ['OK.', { kind: 'answer', answer: 'yes' }],
    ['👍', { kind: 'answer', answer: 'yes' }],
    ['no', { kind: 'answer', answer: 'no' }],
    ['“no”', { kind: 'answer', answer: 'no' }],
    ['👎', { kind: 'answer', answer: 'no' }],
  ] as const)('%j', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  test.each(['', '  \n', '\u200b', '...', '?!'])('nothing at all: %j', (text) => {
    expect(read(text)).toEqual({ kind: 'empty' });
  });
});
