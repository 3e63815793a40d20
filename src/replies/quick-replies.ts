import { addSat, formatSat } from '@nostr-dm-agent/kit/sat';
import type { QuickResult } from '@nostr-dm-agent/routstr';

/** The answer to `!quick`, and `— quick · 3 sat · claude-sonnet-4.5`. */
export function quickReply(result: QuickResult): string {
  if (result.state === 'refused') return result.reason;
  const { text, end, spent, fee, owed, model } = result;
  const cost = formatSat(addSat(spent, fee));
  const parts = [
    ...(fee > 0 ? [`${cost}, ${formatSat(fee)} of it the mint’s fees`] : [cost]),
    ...(owed ? ['the change is not back yet; it is asked for'] : []),
  ];
  return [text, endings[end](text !== ''), `— quick · ${parts.join(' · ')} · ${model}`]
    .filter((part) => part !== '')
    .join('\n\n');
}

const endings = {
  whole: (some: boolean) => (some ? '' : 'The model had nothing to say.'),
  length: (some: boolean) =>
    some
      ? '(Cut off: an answer to !quick has a limit. Send it as a task for a longer one.)'
      : 'The model used up its limit with thinking. Send it as a task, or choose another model (!model).',
  broken: (some: boolean) =>
    some ? '(The node broke the answer off here.)' : 'The node broke the answer off.',
};
