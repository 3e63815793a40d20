import type { Diagnosis } from '../doctor/running-doctor.ts';
import { formatAgo, lines, plural } from './format.ts';

/** What is wrong first and with its way out; what is well in one line. */
export function diagnosisText({ findings, at }: Diagnosis, now: number): string {
  const of = (wanted: string) => findings.filter(({ state }) => state === wanted);
  const [broken, warnings, well] = [of('broken'), of('warning'), of('ok')];
  return lines(
    broken.length > 0
      ? `${broken.length} broken${warnings.length > 0 ? `, ${warnings.length} to know about` : ''} (${formatAgo(now - at)}):`
      : `All is well${warnings.length > 0 ? `, ${warnings.length} to know about` : ''} (${formatAgo(now - at)}).`,
    [...broken, ...warnings].map(({ subject, state, fact, remedy }) =>
      lines(`${state === 'broken' ? '✗' : '⚠'} ${subject}: ${fact}`, remedy !== undefined && `→ ${remedy}`),
    ),
    well.length > 0 &&
      `✓ ${plural(well.length, 'check')}: ${[...new Set(well.map(({ subject }) => subject))].join(', ')}`,
  );
}
