import type { AgentQuestion } from '../backends/approval.ts';

/** `1️⃣` is a figure and two marks. */
const withoutKeycaps = (text: string): string => text.replace(/(\d)\ufe0f?\u20e3/gu, ' $1 ').trim();
const lower = (text: string): string => text.trim().toLowerCase();
/** `Blue (recommended)` is Blue. */
const withoutRemark = (label: string): string => label.replace(/\s*\([^()]*\)$/u, '');
const separator = /\s*(?:[,;&+/\n]|\band\b|\bund\b|\by\b|\bet\b)\s*/iu;

/** One option by its number or its name. */
function optionOf(options: AgentQuestion['options'], said: string): string | undefined {
  const plain = lower(said);
  const number = /^(?:#|option |number |no\.? |nr\.? )?(\d{1,2})[.)]?$/u.exec(plain)?.[1];
  if (number !== undefined) return options[Number(number) - 1]?.label;
  return (
    options.find(({ label }) => lower(label) === plain) ??
    options.find(({ label }) => lower(withoutRemark(label)) === plain)
  )?.label;
}

/**
 * The labels that an answer names by their numbers or words, else the answer itself.
 * `2` · `1, 3` · `blue` · `red and blue` · `none of these, use the old one`
 */
export function readAnswer({ options, multiple }: AgentQuestion, text: string): readonly string[] {
  const said = withoutKeycaps(text).replace(/[.!]+$/, '');
  const one = optionOf(options, said);
  if (one !== undefined) return [one];
  const word = lower(said);
  const meant = word === 'yes' || word === 'no' ? optionFor({ options }, word) : undefined;
  if (meant !== undefined) return [meant];
  const parts = (/^[\d\s#.)]+$/.test(said) ? said.split(/\s+/) : said.split(separator)).filter(Boolean);
  const labels = new Set(parts.map((part) => optionOf(options, part)));
  const named = [...labels].filter((label) => label !== undefined);
  const isAll = named.length > 0 && !labels.has(undefined);
  return isAll && (multiple || named.length === 1) ? named : [text.trim()];
}

/** The option that a yes or a no means: the only one that begins with it. */
export function optionFor(
  { options }: Pick<AgentQuestion, 'options'>,
  word: 'yes' | 'no',
): string | undefined {
  const found = options.filter(({ label }) => new RegExp(`^${word}\\b`, 'i').test(label.trim()));
  return found.length === 1 ? found[0]?.label : undefined;
}
