import { meantBy } from '../schedules/misspelt.ts';

/** What to type instead of what people type on phones, and the grammar of times does not read. The first that fits. */
const hints: readonly (readonly [RegExp, string])[] = [
  [
    /^\D{0,30}\b\d{1,4}\/\d{1,2}\b/,
    'A date with slashes means two things: write 24 dec 18:00 or 2026-12-24 18:00.',
  ],
  [
    /^\D{0,30}\b\d{1,2}\.\d{1,2}(?:\.\d\d)?\s+(?:at\s+)?\d/,
    'Write the date as 24.12. 18:00, 24 dec 18:00 or 2026-12-24 18:00.',
  ],
  [/^\D{0,30}\b24:00\b/, 'Write 0:00 of the day that begins then.'],
  [
    /^\D{0,30}\b(?:(?:[01]?\d|2[0-3])[0-5]\d|\d{1,2}[;,][0-5]\d)\b(?!-)/,
    'Write the time with a colon: 8:00, 17:30.',
  ],
  [
    /\bat :\d|\b(?:on|at) the (?:half[- ]?)?hour\b/i,
    'A minute of each hour is cron’s: 15 * * * * comes at a quarter past.',
  ],
  [
    /\b(?:half|quarter) (?:past|to)\b|\b(?:ten|five|twenty|\d{1,2}) (?:past|to) \d/i,
    'Write the time in digits: 8:30, 8:45.',
  ],
  [
    /^\D{0,40}\b(?:mornings?|afternoons?|evenings?|nights?|lunch(?:time)?|breakfast|dinner|dawn|dusk|sunrise|sunset|eod|end of (?:the )?day|later|soon)\b|\b\d{1,2}(?:[:.]\d\d)? (?:in the|at) (?:morning|afternoon|evening|night)\b/i,
    'Write the hour itself: daily 8:00, today 18:00, tomorrow 9:00, tonight 9pm.',
  ],
  [
    /^\s*(?:in\s+)?(?:a (?:few|couple|while|bit)|some|several)\b/i,
    'Say how long in digits: in 20m, in 2h, in 3d.',
  ],
  [/^\s*(?:in\s+|every\s+)?(?:a\s+)?(?:half|quarter)\b/i, 'Say how long in digits: 15m, 30m, 1h30m.'],
  [
    /^\s*(?:in\s+|every\s+)?(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|forty|sixty|ninety)\b/i,
    'Write numbers in digits: in 20m, every 2h, every 3 days 9:00.',
  ],
  [
    /^\s*(?:in\s+)?(?:an?|\d+|next)\s+(?:months?|years?)\b/i,
    'Write the date: 24 dec 18:00 or 2026-12-24 18:00.',
  ],
  [
    /^\s*(?:every\s+)?(?:(?:on\s+)?the\s+)?(?:(?:\d{1,2}(?:st|nd|rd|th)|first|second|third|fourth|last)\b|(?:end of )?(?:the )?months?\b|monthly\b|quarter(?:ly)?\b)/i,
    'Of a month: monthly 1 9:00, monthly last 17:00, first monday of the month 9:00. Once: 24 dec 18:00.',
  ],
  [
    /^\s*(?:every\s+)?(?:weeks?|weekly|fortnight(?:ly)?|bi-?weekly|next week)\b/i,
    'Name the day: monday 9:00, next monday 9:00, every 2 weeks on monday 9:00.',
  ],
  [
    /^\s*(?:every\s+)?(?:twice|thrice|\d+ ?(?:times\b|x (?:a|per)\b))/i,
    'Name each time: daily 8:00 and 18:00.',
  ],
  [
    /^\D{0,30}\b(?:around|about|approx\w*|ca|circa|roughly)\.?\s+\d|\dish\b/i,
    'Write the time itself: 9:00, 9am.',
  ],
  [/^\s*\d{1,2}:\d\d\b/, 'Write the day before it (daily 9:00, tomorrow 9:00), or how long: in 1h30m.'],
  [
    /^\s*(?:in\s+|every\s+)?\d{1,5} ?(?:s|m|h|d|w)[a-z]*\b/i,
    'How long is written like 20m, 2h, 1h30m, 3d, 2w.',
  ],
  [
    /^\s*(?:in\s+|every\s+)?\d{1,5}(?:\s|$)/i,
    'A number alone is no time: 5m, 2h or 3d say how long, daily 9:00 says when.',
  ],
];

/** What may have been meant, of a time that could not be read. */
export function whenHint(typed: string): string | undefined {
  const words = typed.match(/[\p{L}\d]+/gu) ?? [];
  // In front, or at the end.
  for (const word of [...words.slice(0, 4), ...words.slice(-4)]) {
    const meant = meantBy(word);
    if (meant !== undefined)
      return `Did you mean ${meant}? Like: ${meant === 'monthly' ? 'monthly 1' : meant}${meant === 'hourly' ? '' : ' 9:00'}.`;
  }
  return hints.find(([way]) => way.test(typed))?.[1];
}
