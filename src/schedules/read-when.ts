import { Cron } from 'croner';
import { countsSomething, goesOn } from './goes-on.ts';
import { isWhen, type Problem, productions, type Setting } from './grammar.ts';
import { meantBy } from './misspelt.ts';
import { tokensOf } from './tokens.ts';
import { nextTime, type When } from './when.ts';

/**
 * What a thumb types, read by a fixed grammar (docs/schedules.md): no model decides when something is done.
 * `unclear`: what stands beside it may still be a part of it; the wrong time is worse than none.
 */
export type ReadWhen =
  | { readonly state: 'read'; readonly when: When; readonly rest: string }
  | { readonly state: Problem | 'unclear' | 'unknown' };

/**
 * The time at the beginning of a text, the longest that can be read, and what stands after it.
 * @param lead words that may be thought before it: the command's own (`every`, `at`, `in`)
 */
export function readWhen(text: string, setting: Setting, lead: readonly string[] = []): ReadWhen {
  const raw = rawCron(text, setting);
  if (raw !== undefined) return raw;
  const found = ['', ...lead].flatMap((before) => {
    const prefix = before === '' ? '' : `${before} `;
    return longest(`${prefix}${text}`, setting).map((read) => ({ ...read, end: read.end - prefix.length }));
  });
  const best = found.reduce<(typeof found)[number] | undefined>(
    (kept, each) =>
      kept === undefined ||
      each.end > kept.end ||
      (each.end === kept.end && isWhen(each.draft) && !isWhen(kept.draft))
        ? each
        : kept,
    undefined,
  );
  if (best === undefined) return { state: 'unknown' };
  if (!isWhen(best.draft) && best.draft.kind !== 'hour') return { state: best.draft.kind };
  if (goesOn(text, best.end, best.draft.kind === 'once' || best.draft.kind === 'hour'))
    return { state: 'unclear' };
  if (!isWhen(best.draft) || countsSomething(text, best.end)) return { state: 'hour' };
  if (nextTime(best.draft, setting.zone, setting.now) === undefined) return { state: 'never' };
  return { state: 'read', when: best.draft, rest: restOf(text, best.end) };
}

/** Words before a time that make it another one, or that of something else: `tickets for friday 9:00`, `tomorrow evening at 8`. */
const makesItAnother = [
  /(?:\b(?:and|or|from|between|to|for|of|by|not|until|till|before|after|morning|afternoon|evening|night)|&|\d(?:st|nd|rd|th))$/i,
  /\b(?:weekly|fortnightly|bi-?weekly|monthly|quarterly|yearly|annually|christmas|xmas|easter|halloween|thanksgiving|birthday|eve|new year.?s?(?: day)?)$/i,
  /\b(?:next|this|coming|following|every|each|per|an?|\d+)\s+(?:days?|weeks?|weekends?|months?|quarters?|years?)$/i,
  /\d[/.]\d{1,2}\.?$/,
];
const isAnother = (rest: string): boolean =>
  makesItAnother.some((way) => way.test(rest)) || meantBy(/[\p{L}\d]+$/u.exec(rest)?.[0] ?? '') !== undefined;

/** The time at the end of a text, and what stands before it: `call Anna at 18:00`. `unclear`: it names more than one. */
export function readWhenLast(text: string, setting: Setting): ReadWhen {
  const starts = [...text.matchAll(/(?<=\s)\S/g)].map(({ index }) => index);
  for (const start of starts.slice(-30)) {
    const read = readWhen(text.slice(start), setting);
    if (read.state === 'unknown') continue;
    const rest = text.slice(0, start).trim();
    if (read.state !== 'read') return read;
    if (read.rest !== '' || isAnother(rest)) return { state: 'unclear' };
    return { ...read, rest };
  }
  return { state: 'unknown' };
}

/** The time in front, else the one at the end. A number alone in front (`5 people at 18:00`) is no time beside another one. */
export function readReminder(text: string, setting: Setting): ReadWhen {
  const first = readWhen(text, setting, ['at', 'in', 'on']);
  const isNumber =
    first.state === 'read'
      ? /^\s*\d{1,2}$/.test(text.slice(0, text.length - first.rest.length).trimEnd())
      : first.state === 'hour' && /^\s*\d/.test(text);
  if (first.state === 'read' ? first.rest !== '' && !isNumber : first.state !== 'unknown' && !isNumber)
    return first;
  const last = readWhenLast(text, setting);
  if (last.state === 'unknown') return first;
  return isNumber && !(first.state === 'read' && first.rest === '') ? { state: 'unclear' } : last;
}

const restOf = (text: string, end: number): string => text.slice(end).replace(/^\s*[.,:;–—→-]?\s*/, '');

/** Five fields, or cron's own names for them, as they are. */
function rawCron(text: string, { zone, now }: Setting): ReadWhen | undefined {
  const match =
    /^\s*(@(?:hourly|daily|midnight|weekly|monthly|yearly|annually))(?=\s|$)/i.exec(text) ??
    /^\s*((?:[\d*][\w*,/#?-]*\s+){2}(?:[\d*?L][\w*,/#?-]*\s+)[\w*][\w*,/#?-]*\s+[\w*?][\w*,/#?-]*)(?=\s|$)/.exec(
      text,
    );
  const pattern = match?.[1]?.replace(/\s+/g, ' ');
  if (match === null || pattern === undefined) return undefined;
  const rest = text.slice(match[0].length).trim();
  // A sixth field: seconds are none of ours, and guessing which of six was meant is no help.
  if (!pattern.startsWith('@') && /^(?:\*(?:\/\d+)?|\d+(?:[-,/]\d+)+)(?:\s|$)/.test(rest)) return undefined;
  if (goesOn(text, match[0].length, false)) return { state: 'unclear' };
  try {
    const comes = new Cron(pattern, { timezone: zone, paused: true }).nextRun(new Date(now)) !== null;
    return comes ? { state: 'read', when: { kind: 'cron', patterns: [pattern] }, rest } : { state: 'never' };
  } catch {
    return undefined;
  }
}

function longest(text: string, setting: Setting) {
  const tokens = tokensOf(text);
  const reads = productions
    .flatMap((production) => production(setting)(tokens, 0) ?? [])
    .map(({ value, next }) => ({ draft: value, end: tokens[next - 1]?.end ?? 0 }))
    // A word is not cut in two.
    .filter(({ end }) => end === text.length || /^(?:\s|[,:;–—→-]|\.(?=\s|$))/.test(text.slice(end)));
  return reads;
}
