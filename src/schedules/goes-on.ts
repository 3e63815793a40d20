import { meantBy } from './misspelt.ts';
import { type Token, tokensOf } from './tokens.ts';
import { clock, dayOfWeek, days, monthDay } from './words.ts';
import { zoneNamed } from './zone.ts';

/*
 * A time of which only a part was read is another time: `8:00 except sunday`, `9:00 UTC`, `2h on weekdays`, `1h 30`. Where what
 * stands behind it may still speak of it, nothing is scheduled. A colon, a dash or a new line after the time ends it:
 * `weekdays 8:00: friday report`.
 */

const units = '(?:s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?|months?|years?)';
const number = '(?:\\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty)';
const dayPart = '(?:morning|afternoon|evening|night)';

const always: readonly RegExp[] = [
  /^or\b/i,
  /^(?:and )?an? (?:half|quarter)\b/i,
  /^(?:to|till?|until|through|thru|past) (?:\d|noon|midnight)/i,
  /^(?:until|till?)\b/i,
  /^(?:except|excluding|but not|not on)\b/i,
  /^(?:between|from|before|after) (?:\d|noon|midnight|now|today|tomorrow|next|sun|mon|tue|wed|thu|fri|sat)/i,
  /^(?:starting|beginning) (?:at|on|from|in|now|today|tomorrow|next|\d)/i,
  /^during (?:the |my )?(?:day|night|week|weekend|morning|afternoon|evening|work|working|office|business)/i,
  new RegExp(`^for (?:the next )?${number}\\s*${units}\\b`, 'i'),
  new RegExp(`^(?:in the|this|at) ${dayPart}\\b`, 'i'),
  /^(?:today|tonight|tomorrow)\b(?!['’])/i,
  /^(?:the )?day after tomorrow\b/i,
  /^(?:every|each) (?:other|day|week|month|year|hour|\d)/i,
  /^(?:(?:on|at) the (?:half[- ]?)?hour\b|(?:at|@) ?:\d)/i,
  /^(?:twice\b|\d+ ?(?:x|times)\b)/i,
  /^on (?:the )?\d{1,2}(?:st|nd|rd|th)\b/i,
  /^(?:next|this|last) (?:week|weekend|month|quarter|year)\b/i,
  // Of the names of zones, those that are words or names of their own only as they are written.
  /^\(?(?:utc|gmt)\b/i,
  /^\(?(?:Z|CES?T|WES?T|EES?T|[ECMP][SD]T|ET|PT|BST|IST|JST|AE[SD]T|MSK|SAST)\b/,
  /^(?:pacific|eastern|central|mountain) time\b/i,
];
const again = /^(?:hourly|daily|weekly|monthly|yearly|weekdays|weekends|everyday)\b/i;
const ended = /^\s*(?:[:;](?!\d)|[–—-]\s|\n)/;

/**
 * Whether what stands from `end` on may still speak of the time before it.
 * @param once that time comes once: `at 9 daily`
 */
export function goesOn(text: string, end: number, once: boolean): boolean {
  const rest = text.slice(end);
  if (/^\s*[:;.–—+-]\d/.test(rest) || /^\s*[–—-]\s*\d{1,2}(?:[:.]\d\d|\s*[ap]\.?m)/i.test(rest)) return true;
  if (ended.test(rest)) return false;
  const [joint = ''] = /^\s*(?:,|\.|\/|&|\+|and\b)?\s*/i.exec(rest) ?? [];
  const after = rest.slice(joint.length).replace(/\s+/g, ' ');
  if (after === '') return false;
  const named = /^(?:(?:on|at|this|next|every|each)\s+)?([\p{L}\d]+)/iu.exec(after)?.[1] ?? '';
  if (meantBy(named) !== undefined) return true;
  if (always.some((way) => way.test(after)) || (once && again.test(after))) return true;
  if (joint.trim() === 'and' && /^an? (?:half|quarter)\b/i.test(after)) return true;
  return (
    isCut(text.slice(0, end), joint, after) || namesATime(after, joint.trim() !== '') || namesAZone(after)
  );
}

/** `9 tests`, `10 new issues`, `9 of them`, `10-minute`: a number alone before such a word is none of a clock, without an `at` before it. */
export function countsSomething(text: string, end: number): boolean {
  const before = text.slice(0, end);
  const after = text.slice(end);
  if (!/(?:^|[^\d:.])\d{1,2}$/.test(before)) return false;
  if (/^\s?[%€$£#°×/*]/u.test(after) || /^-\p{L}/u.test(after)) return true;
  return !/(?:\bat|@)\s*\d+$/i.test(before) && counted.test(after);
}

const many = "(?:\\p{L}+(?<!s|u|i)s|people|children|kids|men|women|pull requests?|percent)(?![\\p{L}’'])";
const kindOf =
  '(?:new|old|big|small|open|failing|failed|broken|random|top|best|latest|last|first|short|long|quick|good|unit|different|pull)';
const counted = new RegExp(`^\\s+(?:(?:of|more|other|per)(?!\\p{L})|(?:${kindOf}\\s+)?${many})`, 'iu');

/** The number at its end was none of a clock (`5 minutes`, `13 nov`), or the one behind it is its own (`1h 30`). */
function isCut(before: string, joint: string, after: string): boolean {
  if (joint.trim() === '' && new RegExp(`\\d\\s*${units}$`, 'i').test(before) && /^\d{1,2}\b/.test(after))
    return true;
  if (!/(?:^|[^\d:.])\d{1,2}$/.test(before)) return false;
  const isMonth = monthDay(tokensOf(`1 ${after}`), 0) !== undefined;
  return isMonth || new RegExp(`^(?:${units}|times)\\b`, 'i').test(after);
}

/** Another time of day, day or date. The name of a day alone may be what a task begins with. */
function namesATime(after: string, joined: boolean): boolean {
  const tokens = tokensOf(after);
  const lead = /^(?:at|@|on|this|next|every|each)$/;
  const from = lead.test(textAt(tokens, 0)) ? (textAt(tokens, 1) === 'the' ? 2 : 1) : 0;
  const isLed = joined || from > 0;
  const time = clock(tokens, from);
  if (time !== undefined && (time.value.exact || /^(?:at|@)$/.test(textAt(tokens, 0)))) return true;
  if (monthDay(tokens, from) !== undefined) return true;
  const day = days(tokens, from) ?? dayOfWeek(tokens, from);
  return day !== undefined && (isLed || clock(tokens, day.next) !== undefined);
}

const textAt = (tokens: readonly Token[], at: number): string => tokens[at]?.text ?? '';

/** `Europe/London`, `New York time`. */
function namesAZone(after: string): boolean {
  const [, named = ''] =
    /^\(?([\p{L}_]+\/[\p{L}_/]+)/u.exec(after) ?? /^((?:[\p{L}_]+ ){1,2})time\b/iu.exec(after) ?? [];
  return named.trim() !== '' && zoneNamed(named) !== undefined;
}
