import type { Unspoken } from '../replies/voice-replies.ts';
import { isTooShort } from '../voice/heard.ts';
import type { Match } from './command-registry.ts';
import { isConsent } from './meaning/everyday-words.ts';
import type { Meaning } from './meaning/meaning.ts';

/** What may be said aloud: it shows something, steers a run, or can be taken back. A misheard word costs nothing here. */
const SPOKEN: ReadonlySet<string> = new Set([
  ...['help', 'status', 'ping', 'version', 'settings', 'stop', 'no', 'queue', 'retry', 'continue'],
  ...['new', 'sessions', 'resume', 'history', 'mode', 'name', 'workspace', 'hosts', 'compact', 'fork'],
  ...['diff', 'undo', 'redo', 'todo', 'schedule', 'task', 'models', 'model', 'spend', 'limit'],
  ...['wallet', 'wallet balance', 'wallet history', 'wallet pending'],
  ...['provider', 'provider status', 'provider list', 'provider balance', 'provider models'],
]);

/** Of these, what may follow in words: it names something that is there, and no work. Behind the others stands a figure at most. */
const WITH_WORDS: ReadonlySet<string> = new Set([
  ...['help', 'settings', 'stop', 'no', 'new', 'resume', 'mode', 'name', 'workspace', 'model', 'models'],
]);
const FIGURE = /^#?\d{1,6}[.!?]*$/;
/** Commands with which work is typed: it may be said instead. Not one that is a program's words, is done again and again, or is a question's answer. */
const WORKS: ReadonlySet<string> = new Set(['ask', 'plan', 'agent', 'quick']);

/** Somebody is to be given money, or it is to be taken out: no task, for no agent has any. */
const MOVES_MONEY =
  /^(?:(?:please|hey|ok(?:ay)?|now|bot|can you|could you|would you|i want to|i would like to|let’s|let's)[\s,]+)*(?:send|pay|give|transfer|withdraw|zap|tip|deposit|move|cash out|top ?up|add)\b.*\b(?:\d[\d.,]*k?|one|two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|million|some|all|half|my|our|the rest|everything)\s+(?:(?:of|the|my|our|and|\d[\d.,]*k?|hundred|thousand|million)\s+)*(?:sats?|satoshis?|bitcoins?|btc|ecash|e-cash|money|balance)\b|^(?:(?:please|hey|ok(?:ay)?|now|bot|can you|could you|would you|i want to|let’s|let's)[\s,]+)*(?:pay\b.*\binvoice\b|(?:withdraw|cash out|top ?up|deposit|zap|tip)\b.*\b(?:sats?|satoshis?|bitcoins?|btc|ecash|e-cash|money|wallet)\b)/iu;
/** As it is typed, with what follows in words: `wallet send one hundred`. */
const NAMES_THE_WALLET =
  /^wallet[\s,]+(?:send|pay|give|withdraw|receive|top ?up|move|lock|restore|reclaim|auto ?top ?up)\b/iu;
const IN_THE_WALLET =
  /\b(?:test|function|code|file|class|page|button|feature|commit|branch|component|doc|readme|method|field)s?\b/iu;

/**
 * Why something is not done that was said aloud; undefined: it may be. Words are misheard, so what can't be taken back is not
 * taken from speech: money, a yes to what an agent asks, settings and people.
 *
 * @param text all of it: what was typed beside the note, if that is a command, comes first
 */
export function notTakenFromSpeech(text: string, meaning: Meaning): Unspoken | undefined {
  switch (meaning.kind) {
    case 'tokens':
    case 'invoice':
    case 'payee':
    case 'code':
    case 'amount':
      return 'money';
    case 'commands':
      return /^\s*[!！]/u.test(text) ? besideTyped(meaning.commands) : ofCommands(meaning.commands);
    case 'called-off':
      return notTakenFromSpeech(text, meaning.instead);
    case 'answer':
      return meaning.answer === 'yes' ? 'consent' : undefined;
    case 'task':
    case 'fragment':
      if (isConsent(text)) return 'consent';
      if (NAMES_THE_WALLET.test(text)) return 'money';
      if (MOVES_MONEY.test(text) && !IN_THE_WALLET.test(text)) return 'money';
      return isTooShort(text) ? 'one_word' : undefined;
    default:
      return undefined;
  }
}

const besideTyped = (commands: readonly Match[]): Unspoken | undefined =>
  commands.length === 1 && commands.every((each) => each.found && WORKS.has(each.command.path))
    ? undefined
    : 'beside_command';

/** With nothing behind its own words but a figure, or a name where that can be taken back: `queue drop 2` is none of these. */
function ofCommands(commands: readonly Match[]): Unspoken | undefined {
  for (const each of commands) {
    if (!each.found) return 'command';
    const { path } = each.command;
    if (/^wallet |^provider |^more/.test(path) && !SPOKEN.has(path)) return 'money';
    if (path === 'yes' || path === 'always') return 'consent';
    const isPlain = each.argument === '' || (isSteering(path) && FIGURE.test(each.argument));
    if (!SPOKEN.has(path) || !(isPlain || WITH_WORDS.has(path))) return 'command';
  }
  return undefined;
}

/** A figure behind the others is money. */
const isSteering = (path: string): boolean => !/^(?:continue|limit|provider)/.test(path);
