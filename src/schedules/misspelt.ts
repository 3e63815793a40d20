const names = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'].concat(
  ...['tomorrow', 'tonight', 'weekdays', 'weekends', 'daily', 'hourly', 'monthly'],
);
const known: ReadonlySet<string> = new Set([...names, 'weekday', 'weekend', 'today']);
/** As thumbs have it. */
const short: ReadonlySet<string> = new Set([
  'tmrw',
  'tmr',
  'tmw',
  'tomo',
  '2moro',
  '2mrw',
  '2morrow',
  '2morow',
]);

/** The word of a time that was meant by one that is none: a letter too many, too few, another, or two that changed places. */
export function meantBy(typed: string): string | undefined {
  const word = typed.toLowerCase();
  if (short.has(word)) return 'tomorrow';
  return known.has(word) ? undefined : names.find((each) => isTypo(word, each));
}

/** Only in a word that is long enough for it. */
function isTypo(typed: string, word: string): boolean {
  if (typed.length < 5 || Math.abs(typed.length - word.length) > 1 || typed === `${word}s`) return false;
  let from = 0;
  while (from < word.length && typed[from] === word[from]) from += 1;
  const [rest, meant] = [typed.slice(from), word.slice(from)];
  const swapped = `${rest[1] ?? ''}${rest[0] ?? ''}${rest.slice(2)}`;
  return (
    rest.slice(1) === meant ||
    rest === meant.slice(1) ||
    rest.slice(1) === meant.slice(1) ||
    swapped === meant
  );
}
