import type { Match } from '../command-registry.ts';
import { invoiceInText, tokensInText } from './money-in-text.ts';
import { ownWords, unwrapped, visible, withoutFinalPunctuation } from './plain-text.ts';

/**
 * What a message is. Only a `task` ever reaches a model: what holds money, a code or nothing but the words of a command is
 * something else, however it was typed.
 */
export type Meaning =
  | { readonly kind: 'empty' }
  /** In their order. `unread`: lines between them that belong to none. */
  | { readonly kind: 'commands'; readonly commands: readonly Match[]; readonly unread: string }
  /** Bearer money. `words`: what stands beside it. */
  | { readonly kind: 'tokens'; readonly tokens: readonly string[]; readonly words: string }
  /** A Lightning invoice (BOLT11) that somebody may want paid. */
  | { readonly kind: 'invoice'; readonly invoice: string; readonly words: string }
  /** Nothing but digits, as confirmation codes are. */
  | { readonly kind: 'code'; readonly digits: string }
  /** A bare yes or no, without what it answers. */
  | { readonly kind: 'answer'; readonly answer: 'yes' | 'no' }
  | { readonly kind: 'task'; readonly text: string };

export type MeaningOptions = {
  readonly match: (text: string) => Match;
  /** Whether a text is a Cashu token from beginning to end, as far as its own letters say. */
  readonly isWholeToken: (text: string) => boolean;
};

const YES = new Set([
  'y',
  'yes',
  'yep',
  'yeah',
  'ok',
  'okay',
  'sure',
  'confirm',
  '👍',
  'ja',
  'oui',
  'sí',
  'si',
]);
const NO = new Set(['n', 'no', 'nope', 'nein', 'non', 'cancel that', "don't", 'dont', '👎']);
/** Bare words that everybody tries, beside the commands' own. */
const EVERYDAY: ReadonlyMap<string, string> = new Map([
  ['abort', 'stop'],
  ['cancel', 'stop'],
  ['halt', 'stop'],
  ['stop it', 'stop'],
  ['stop that', 'stop'],
  ['stop please', 'stop'],
  ['please stop', 'stop'],
  ['stopp', 'stop'],
  ['stop now', 'stop'],
  ['stop all', 'stop all'],
  ['stop everything', 'stop all'],
  ['queue clear', 'queue drop all'],
  ['clear queue', 'queue drop all'],
  ['clear the queue', 'queue drop all'],
  ['commands', 'help'],
  ['menu', 'help'],
  ['start', 'help'],
  ['hilfe', 'help'],
  ['info', 'status'],
]);

/** A whole message of digits is a code or a slip, never work for an agent. */
const DIGITS = /^\d(?:[ -]?\d){2,7}$/;

/** Reads a message as the person meant it who typed it on a phone. */
export function readMeaning(text: string, options: MeaningOptions): Meaning {
  const seen = visible(text);
  if (seen.trim() === '') return { kind: 'empty' };
  const words = ownWords(seen);
  const bare = unwrapped(words);
  if (isMarked(bare)) return readCommands(bare, seen, options);
  const slashed = bare.replace(SLASHED, '!');
  if (slashed !== bare && isKnown(slashed, options)) return readCommands(slashed, seen, options);
  const money = moneyIn(seen, options);
  if (money !== undefined) return money;
  const plain = unwrapped(withoutFinalPunctuation(bare)).toLowerCase();
  if (DIGITS.test(plain)) return { kind: 'code', digits: plain.replace(/\D/g, '') };
  if (YES.has(plain) || YES.has(bare)) return { kind: 'answer', answer: 'yes' };
  if (NO.has(plain) || NO.has(bare)) return { kind: 'answer', answer: 'no' };
  const command = bareCommand(plain.replace(SLASHED, ''), options);
  if (command !== undefined) return { kind: 'commands', commands: [command], unread: '' };
  return plain === '' && !/[\p{L}\p{N}\p{S}]/u.test(bare) && /^[\s.,;:!?…]*$/u.test(bare)
    ? { kind: 'empty' }
    : { kind: 'task', text };
}

const isKnown = (text: string, { match }: MeaningOptions): boolean =>
  match(text).found || match(withoutFinalPunctuation(text)).found;

/** `!` of a phone too; `!!500` is a budget. */
const isMarked = (text: string): boolean => /^[!！]\s*[^!！\s]/u.test(text);

/** `/stop`, as other bots have it: with the name of a command, else it may be a path. */
const SLASHED = /^\/ ?(?=[\p{L}-]+(?:\s|[.!?]?$))/u;

/** A command's own words and nothing else; of one that can't do without more, or takes a task, they are no command yet. */
function bareCommand(plain: string, { match }: MeaningOptions): Match | undefined {
  const everyday = EVERYDAY.get(plain);
  const found = match(`!${everyday ?? plain}`);
  if (!found.found || everyday !== undefined) return found.found ? found : undefined;
  const { parameters, takesTask } = found.command;
  return found.argument === '' && takesTask !== true && parameters?.startsWith('<') !== true
    ? found
    : undefined;
}

/** Every line that begins with the mark is a command of its own; a task goes on to the end of the message. */
function readCommands(body: string, seen: string, options: MeaningOptions): Meaning {
  const lines = body.split('\n');
  const commands: Match[] = [];
  const unread: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = unwrapped(lines[at] ?? '');
    if (line === '') continue;
    if (!isMarked(line)) {
      unread.push(line);
      continue;
    }
    const match = options.match(line);
    if (match.found && match.command.takesTask === true) {
      const whole = options.match([line, ...lines.slice(at + 1)].join('\n'));
      const money = whole.found ? moneyIn(whole.argument, options) : undefined;
      if (money !== undefined) return commands.length === 0 ? money : (moneyIn(seen, options) ?? money);
      return { kind: 'commands', commands: [...commands, whole], unread: unread.join('\n') };
    }
    if (!match.found || match.command.parameters === undefined) {
      commands.push(
        match.found ? options.match(withoutFinalPunctuation(line)) : retried(line, match, options),
      );
      continue;
    }
    // What it takes may go on below: a token or a key that was broken over several lines.
    const below = lines.slice(at + 1).findIndex((next) => next.trim() === '' || isMarked(unwrapped(next)));
    const end = below === -1 ? lines.length : at + 1 + below;
    const given = [line, ...lines.slice(at + 1, end)].join('\n');
    commands.push(
      options.match(match.command.keepsPunctuation === true ? given : withoutFinalPunctuation(given)),
    );
    at = end - 1;
  }
  return { kind: 'commands', commands, unread: unread.join('\n').trim() };
}

/** `!stop.` on a phone: two spaces make a full stop. */
function retried(line: string, match: Match, { match: ask }: MeaningOptions): Match {
  const again = ask(withoutFinalPunctuation(line));
  return again.found ? again : match;
}

function moneyIn(text: string, { isWholeToken }: MeaningOptions): Meaning | undefined {
  const tokens = tokensInText(text, isWholeToken);
  if (tokens.length > 0) {
    let words = '';
    let from = 0;
    for (const { start, end } of tokens) {
      words += text.slice(from, start).replace(/(?:(?:web\+)?cashu:(?:\/\/)?|https?:\/\/\S*)$/i, '');
      from = end;
    }
    return {
      kind: 'tokens',
      tokens: [...new Set(tokens.map(({ token }) => token))],
      words: tidy(words + text.slice(from)),
    };
  }
  const invoice = invoiceInText(text);
  if (invoice === undefined) return undefined;
  const words = text.replace(/(?:bitcoin:\S*|(?:lightning:(?:\/\/)?)?ln[a-z0-9]{50,})/gi, '');
  return { kind: 'invoice', invoice, words: tidy(words) };
}

/** What is left beside money: nothing, when it was only quotes and punctuation. */
function tidy(words: string): string {
  const left = words.replace(/\s+/g, ' ').trim();
  return /[\p{L}\p{N}]/u.test(left) ? left : '';
}
