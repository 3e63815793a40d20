import { distance } from 'fastest-levenshtein';
import { holdsAccessKey } from '../../keys/access-keys.ts';
import { holdsSecretKey } from '../../keys/secret-keys.ts';
import type { Match } from '../command-registry.ts';
import { codeIn, type Everyday, everydayMeaning, withoutCourtesy } from './everyday-words.ts';
import { invoiceInText, payeeInText, tokensInText } from './money-in-text.ts';
import {
  isQuoteAlone,
  isReferenceAlone,
  ownWords,
  unwrapped,
  visible,
  withoutFinalPunctuation,
  withoutMentionAfter,
  withPlainMark,
} from './plain-text.ts';
import { isAmountAlone, type RefersTo, refersTo, type SmallTalk } from './small-talk.ts';

/**
 * What a message is. Only a `task` ever reaches a model: what holds money, a secret key, a code or nothing but the words of
 * a command is something else, however it was typed.
 */
export type Meaning =
  | { readonly kind: 'empty' }
  /** In their order. `unread`: what stands beside them and belongs to none. */
  | { readonly kind: 'commands'; readonly commands: readonly Match[]; readonly unread: string }
  /** Bearer money. `words`: what stands beside it. */
  | { readonly kind: 'tokens'; readonly tokens: readonly string[]; readonly words: string }
  /** A Lightning invoice (BOLT11) that somebody may want paid. */
  | { readonly kind: 'invoice'; readonly invoice: string; readonly words: string }
  /** Somebody to pay and nothing else: a Lightning address, an LNURL, an address on the chain. */
  | { readonly kind: 'payee'; readonly payee: string; readonly amount: string }
  /** A secret key, or the words of a wallet. */
  | { readonly kind: 'secret' }
  /** An API key or an access token in a sentence. */
  | { readonly kind: 'access-key' }
  /** Nothing but digits, as confirmation codes are. */
  | { readonly kind: 'code'; readonly digits: string }
  /** A bare yes or no, without what it answers. */
  | { readonly kind: 'answer'; readonly answer: 'yes' | 'no' }
  /** `cancel that`: a no while a code waits, else what `instead` is. */
  | { readonly kind: 'called-off'; readonly instead: Meaning }
  | { readonly kind: SmallTalk }
  /** An amount of money and nothing that is to be done with it. */
  | { readonly kind: 'amount' }
  /** A key or a note of Nostr's alone; a quote alone. */
  | { readonly kind: 'reference' | 'quote' }
  /** `why?`, `again`, `2`: for the agent where something was said before, of itself nothing. */
  | { readonly kind: 'fragment'; readonly refersTo: RefersTo; readonly text: string }
  | { readonly kind: 'task'; readonly text: string };

export type MeaningOptions = {
  readonly match: (text: string) => Match;
  /** Whether a text is a Cashu token from beginning to end, as far as its own letters say. */
  readonly isWholeToken: (text: string) => boolean;
};

/** Reads a message as the person meant it who typed it on a phone. */
export function readMeaning(text: string, options: MeaningOptions): Meaning {
  const seen = visible(text);
  if (seen.trim() === '') return { kind: 'empty' };
  const bare = unwrapped(ownWords(seen));
  const marked = commandText(bare, options);
  if (holdsSecretKey(seen)) return { kind: 'secret' };
  if (marked !== undefined) return readCommands(marked, seen, options);
  const money = moneyIn(seen, options);
  if (money !== undefined) return money;
  if (holdsAccessKey(seen)) return { kind: 'access-key' };
  const payee = payeeInText(seen);
  if (payee !== undefined) return { kind: 'payee', ...payee };
  if (isReferenceAlone(bare)) return { kind: 'reference' };
  if (isQuoteAlone(seen)) return { kind: 'quote' };
  const words = meaningOfBareWords(bare, options) ?? meaningOfBareWords(withoutMentionAfter(bare), options);
  if (words?.kind === 'fragment') return { ...words, text };
  if (words !== undefined) return words;
  return /[\p{L}\p{N}\p{S}]/u.test(bare) ? { kind: 'task', text } : { kind: 'empty' };
}

/** A whole sentence is no bare word. */
const MOST_OF_BARE_WORDS = 100;

/** Of a message of a few words: all of it, or each of its parts. undefined: it may be anything. */
function meaningOfBareWords(bare: string, options: MeaningOptions): Meaning | undefined {
  if (bare.length > MOST_OF_BARE_WORDS) return undefined;
  const whole = meaningOfPart(bare, options);
  if (whole !== undefined) return whole;
  const parts = bare.split(/\s*\n\s*|(?<=[.!?…,;])\s+/).filter((part) => /[^\s\p{P}]/u.test(part));
  const meanings = parts.length > 1 ? parts.map((part) => meaningOfPart(part, options)) : [];
  return together(
    meanings.filter((meaning) => meaning !== undefined),
    meanings.length,
  );
}

function meaningOfPart(part: string, options: MeaningOptions): Meaning | undefined {
  // Wide letters and digits, as some keyboards have them.
  const asked = part.normalize('NFKC').trim().toLowerCase();
  // `help!!!1`
  const plain = unwrapped(withoutFinalPunctuation(asked.replace(/[!?]{2,}1+$/, '')));
  for (const each of new Set([asked, plain, withoutCourtesy(plain)])) {
    const meaning = meaningOfWords(each, options);
    if (meaning !== undefined) return meaning;
  }
  return undefined;
}

/** `Thanks! Status?`, `hi, how are you?`, `no, again`: of several things said at once, what there is to do. */
function together(meanings: readonly Meaning[], parts: number): Meaning | undefined {
  if (meanings.length < parts) return undefined;
  const kinds = ['fragment', 'answer', 'hold', 'greeting', 'courtesy'] as const;
  const commands = meanings.flatMap((meaning) => (meaning.kind === 'commands' ? meaning.commands : []));
  const others = meanings.filter(({ kind }) => kind !== 'commands');
  if (!others.every(({ kind }) => kinds.some((each) => each === kind))) return undefined;
  if (commands.length > 0) return { kind: 'commands', commands, unread: '' };
  return kinds.map((kind) => others.find((each) => each.kind === kind)).find((each) => each !== undefined);
}

/** Of a message of a few words, lower case. */
function meaningOfWords(plain: string, options: MeaningOptions): Meaning | undefined {
  const code = codeIn(plain);
  if (code !== undefined) return { kind: 'code', digits: code };
  const words = plain
    // `.help`, `--help`, `—stop`, `!!help`, `/start`
    .replace(/^(?:[.#~\\/–—•*]|--?|[!！]{2,})\s?(?=\p{L})/u, '')
    // `stop stop stop`, `no, no`
    .replace(/^(\p{L}+)(?:[\s,.!]+\1)+$/u, '$1')
    .replace(
      /^(?:can (?:you|i) |i need |please )?help (?:me )?(?:with|about|on) (?:the )?(?=\p{L})/u,
      'help ',
    );
  const meant = meaningOfEveryday(everydayMeaning(words), options) ?? bareCommand(words, options);
  if (meant !== undefined) return meant;
  const said = words.replaceAll("'", '’');
  if (isAmountAlone(said)) return { kind: 'amount' };
  const before = refersTo(said);
  if (before !== undefined) return { kind: 'fragment', refersTo: before, text: plain };
  return commandsOf(slipOf(words, options));
}

function meaningOfEveryday(everyday: Everyday | undefined, { match }: MeaningOptions): Meaning | undefined {
  if (everyday === undefined) return undefined;
  if (everyday.kind === 'command') return commandsOf(known(match(`!${everyday.words}`)));
  if (everyday.kind !== 'answer') return { kind: everyday.kind };
  const { kind, answer, command } = everyday;
  const instead = command === undefined ? undefined : commandsOf(known(match(`!${command}`)));
  return instead === undefined ? { kind, answer } : { kind: 'called-off', instead };
}

const commandsOf = (match: Match | undefined): Meaning | undefined =>
  match && { kind: 'commands', commands: [match], unread: '' };

/** `sotp`, `hlep`, `blance`: one word alone that is hardly another than a command's; it is asked about. */
function slipOf(word: string, { match }: MeaningOptions): Match | undefined {
  if (!/^[a-z]{4,}$/.test(word)) return undefined;
  const found = match(`!${word}`);
  const near = found.found ? undefined : found.nearest?.path.split(' ').at(-1);
  if (near === undefined) return undefined;
  const isSlip = Math.max(word.length, near.length) >= 5 && word[0] === near[0] && distance(word, near) === 1;
  return isSlip || lettersOf(word) === lettersOf(near) ? found : undefined;
}

const lettersOf = (word: string): string => [...word].sort().join('');

const known = (match: Match): Match | undefined => (match.found ? match : undefined);

/** `!` of a phone too; `!!500` is a budget. */
const isMarked = (text: string): boolean => /^[!！]\s*[^!！\s]/u.test(text);

/** The text with the mark of a command before it. Of other marks than the plain one, the name of a command has to follow: it may be a path, or a sentence. */
function commandText(bare: string, { match }: MeaningOptions): string | undefined {
  if (isMarked(bare)) return bare;
  const marked = withPlainMark(bare);
  const isKnown = match(marked).found || match(withoutFinalPunctuation(marked)).found;
  if (marked === bare) return undefined;
  // `/deploy` and nothing else: no path, no sentence.
  return isKnown || /^\/[a-z]+$/i.test(bare) ? marked : undefined;
}

/** What a command may be given without its mark: an amount, a number, a code. */
const FIGURE = /^#?\d[\d.,_ ]*k?(?:\s*sats?)?(?:\s*\/\s*day)?$/;
/** These words alone are talk, or work. */
const TALK = new Set(['more', 'wallet move', 'merge']);
/** Money moves by these at once, without a code: without the mark, they are explained. */
const MARK_NEEDED = new Set(['provider deposit']);

/** A command's own words and nothing else, but for what could be nothing else. */
function bareCommand(words: string, options: MeaningOptions): Meaning | undefined {
  return commandsOf(bareMatch(words, options));
}

function bareMatch(words: string, { match }: MeaningOptions): Match | undefined {
  const found = match(`!${words}`);
  if (!found.found) return undefined;
  const { command, argument } = found;
  const { path, parameters } = command;
  if (command.takesTask === true || (argument === '' && TALK.has(path))) return undefined;
  if (argument === '') return found;
  if (parameters === undefined) return undefined;
  const isWord = /^[a-z-]+$/.test(argument);
  const isLiteral = isWord && (literalsIn(parameters).includes(argument) || path.startsWith('provider '));
  const isTopic = path === 'help' && match(`!${argument}`).found;
  if (!isLiteral && !isTopic && !FIGURE.test(argument)) return undefined;
  return MARK_NEEDED.has(path) ? match(`!help ${path}`) : found;
}

/** `all` and `off` of `[sats|off] [all]`, but no name of what is to be put in. */
const literalsIn = (parameters: string): readonly string[] =>
  parameters
    .replace(/<[^>]*>/g, (slot) => (slot.includes('|') ? slot : ''))
    .split(/[^a-z]+/)
    .filter((word) => ['all', 'off', 'reset', 'ask', 'plan', 'agent'].includes(word));

/** Every line that begins with the mark is a command of its own; a task goes on to the end of the message. */
function readCommands(body: string, seen: string, options: MeaningOptions): Meaning {
  const talk = everydayOf(body);
  if (talk !== undefined && talk.kind !== 'command' && !options.match(body).found) {
    return meaningOfEveryday(talk, options) ?? { kind: 'empty' };
  }
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
    const match = matchLine(line, options);
    const misspelt = match.found || commands.length > 0 ? undefined : moneyIn(seen, options);
    if (misspelt !== undefined) return misspelt;
    if (match.found && match.command.takesTask === true) {
      const whole = options.match([line, ...lines.slice(at + 1)].join('\n'));
      const money = whole.found ? moneyIn(whole.argument, options) : undefined;
      if (money !== undefined) return commands.length === 0 ? money : (moneyIn(seen, options) ?? money);
      return { kind: 'commands', commands: [...commands, whole], unread: unread.join('\n') };
    }
    if (!match.found || match.command.parameters === undefined) {
      commands.push(match.found ? { ...match, argument: '' } : match);
      // `!status !queue`, `!ping please`, `!status and then some`
      const rest = match.found ? match.argument.replace(/^(?:[,;&]|and|then|\s)+(?=[!！])/i, '') : '';
      const words = withoutCourtesy(`!x ${rest}`).slice('!x '.length);
      if (isMarked(rest)) lines.splice(at + 1, 0, rest);
      else if (/[\p{L}\p{N}]/u.test(words)) unread.push(rest);
      continue;
    }
    // What it takes may go on below: a token or a key that was broken over several lines.
    const below = lines.slice(at + 1).findIndex((next) => next.trim() === '' || isMarked(unwrapped(next)));
    const end = below === -1 ? lines.length : at + 1 + below;
    const given = [line, ...lines.slice(at + 1, end)].join('\n');
    commands.push(matchLine(withoutCourtesy(withoutFinalPunctuation(given)), options));
    at = end - 1;
  }
  return { kind: 'commands', commands, unread: unread.join('\n').trim() };
}

/** `!stop.` on a phone, where two spaces make a full stop; `!status, !queue`; `!wallet please`; `!hilfe`; `!help me`. */
function matchLine(line: string, options: MeaningOptions): Match {
  const { match } = options;
  const first = match(line);
  const said = everydayOf(line);
  const everyday = said?.kind === 'command' ? match(`!${said.words}`) : undefined;
  // What people say instead of a command's words is no argument of it: `!stop it`, `!new session`.
  if (first.found && everyday?.found === true && everyday.command === first.command) return everyday;
  if (first.found) return first;
  const others = [
    withoutFinalPunctuation(line),
    withoutCourtesy(line),
    line.replace(/^([!！]\s*\p{L}+)[,;:.!?]+(?=\s)/u, '$1'),
  ].map(match);
  return others.find(({ found }) => found) ?? (everyday?.found === true ? everyday : first);
}

function everydayOf(line: string): Everyday | undefined {
  const plain = withoutFinalPunctuation(line.replace(/^[!！]\s*/u, '')).toLowerCase();
  return everydayMeaning(plain) ?? everydayMeaning(withoutCourtesy(plain));
}

function moneyIn(text: string, { isWholeToken }: MeaningOptions): Meaning | undefined {
  const tokens = tokensInText(text, isWholeToken);
  if (tokens.length > 0) {
    let words = '';
    let from = 0;
    for (const { start, end } of tokens) {
      words += text.slice(from, start).replace(/(?:nostr:|(?:web\+)?cashu:(?:\/\/)?|https?:\/\/\S*)$/i, '');
      from = end;
    }
    return {
      kind: 'tokens',
      tokens: [...new Set(tokens.map(({ token }) => token))],
      words: tidy(words + text.slice(from)),
    };
  }
  const found = invoiceInText(text);
  if (found === undefined) return undefined;
  const before = text.slice(0, found.start).replace(/(?:bitcoin:\S*|lightning:(?:\/\/)?)$/i, '');
  const after = text.slice(found.end).replace(/^&\S*/, '');
  return { kind: 'invoice', invoice: found.invoice, words: tidy(before + after) };
}

/** What is left beside money: nothing, when it was only quotes and punctuation. */
function tidy(words: string): string {
  const left = words.replace(/\s+/g, ' ').trim();
  return /[\p{L}\p{N}]/u.test(left) ? left : '';
}
