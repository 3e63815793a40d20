import { endOfParagraphs } from '@nostr-dm-agent/nostr';
import type { AgentEvent } from '../backends/backend.ts';

/** A part has at least so many characters, each one twice as many as the one before: a phone is not flooded. */
const leastCharacters = 600;
/** What one message takes. */
const mostCharacters = 3_600;
/** Soonest and latest (ms) after the part before, or the first word. The latest grows as the least length does. */
const soonestMs = 2_000;
const latestMs = 10_000;
/** Two of the messages that an answer may have are kept for its end. */
const mostMessages = 8;
/** A look at each word that comes would be slow with a long answer. */
const lookMs = 200;

/** Holds what an agent says until it is worth sending, and can hardly be anything but its answer. */
export type Gathered = {
  /** @returns what is to be sent now */
  readonly saw: (event: AgentEvent) => string | undefined;
  /** What was sent of the answer in hand so far. */
  readonly told: () => string;
  /** What `saw` returned was sent, in so many messages. */
  readonly sent: (part: string, messages: number) => void;
};

/**
 * What an agent says before it uses a tool is narration, and that it was is known too late. So nothing of a step is taken
 * before it has two paragraphs and the length of a part, and nothing more once it has used a tool or was begun again.
 * @param now a monotonic clock (ms)
 */
export function gatherParts(now: () => number): Gathered {
  /** What the step in hand has said: its complete texts, and the one that is being written. */
  let texts: string[] = [];
  let writing: { readonly part: string; text: string } | undefined;
  let held = true;
  let told = '';
  let messages = 0;
  let since = 0;
  let lookedAt = 0;

  const due = (): string | undefined => {
    const at = now();
    if (at - since < soonestMs || at - lookedAt < lookMs || messages >= mostMessages) return undefined;
    lookedAt = at;
    const said = [...texts, writing?.text ?? ''].join('\n\n').trimStart();
    if (!said.startsWith(told)) {
      held = true;
      return undefined;
    }
    const room = mostCharacters * (mostMessages - messages);
    const part = said.slice(told.length, told.length + room);
    const whole = part.slice(0, endOfParagraphs(part)).trimEnd();
    const growth = 2 ** messages;
    const isLong = whole.length >= Math.min(leastCharacters * growth, mostCharacters);
    if (told === '') return isLong && /\n[ \t\r]*\n/.test(whole) ? whole : undefined;
    const isLate = at - since >= latestMs * growth && whole.trim() !== '';
    return isLong || isLate ? whole : undefined;
  };

  return {
    saw: (event) => {
      switch (event.type) {
        case 'step':
          texts = [];
          writing = undefined;
          told = '';
          held = false;
          since = now();
          return undefined;
        case 'tool':
        case 'retry':
          held = true;
          return undefined;
        case 'text':
          texts.push(event.text);
          writing = undefined;
          return undefined;
        case 'delta':
          if (held) return undefined;
          if (writing === undefined) writing = { part: event.part, text: '' };
          if (writing.part !== event.part) held = true;
          writing.text += event.text;
          return held ? undefined : due();
        default:
          return undefined;
      }
    },
    told: () => told,
    sent: (part, count) => {
      told += part;
      messages += count;
      since = now();
    },
  };
}

/** What is still to be read of an answer whose beginning was sent. */
export const restOf = (answer: string, told: string | undefined): string => {
  if (told === undefined) return answer;
  if (told.startsWith(answer)) return '';
  return answer.startsWith(told) ? answer.slice(told.length).trim() : answer;
};

/** The whole of an answer that may have been cut off: its agent may remember less of it than was sent. */
export const wholeOf = (answer: string, told: string | undefined): string =>
  told?.startsWith(answer) === true ? told : answer;
