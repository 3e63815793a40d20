/** @jsxImportSource hono/jsx */
import { Time, type Viewer, Ways } from './layout.tsx';
import type { DiagnosisFacts, FindingFacts } from './operator-source.ts';
import type { View } from './view.ts';

/** `/health` is for machines. */
export const healthView: View = {
  path: '/doctor',
  title: 'Health',
  adminsOnly: true,
  // Whoever opens the view wants to know; whoever leaves it open does not ask all the time.
  show: ({ source }) => {
    source.operator.examine();
    return undefined;
  },
  live: ({ source, viewer }) => <Health {...source.operator.diagnosis()} viewer={viewer} />,
};

const Health = ({ found, isLooking, viewer }: DiagnosisFacts & { readonly viewer: Viewer }) => (
  <>
    <p role="status">
      {found === undefined || isLooking
        ? 'Relays, the clock, agents, wallet, mints and node are being looked at. Some may take their time.'
        : verdict(found.findings)}
    </p>
    {found !== undefined && (
      <>
        <ul class="cards">
          {found.findings.toSorted((one, other) => gravity[one.state] - gravity[other.state]).map(Card)}
        </ul>
        <p class="dim">
          As of <Time at={found.at} />; looked at once a minute at the most.
        </p>
      </>
    )}
    <Ways ways={[{ command: '!doctor', label: 'Look again', brief: true }]} viewer={viewer} back="/doctor" />
  </>
);

const gravity: Record<FindingFacts['state'], number> = { broken: 0, warning: 1, ok: 2 };
const words: Record<FindingFacts['state'], string> = { broken: 'broken', warning: 'to know', ok: 'well' };

function verdict(findings: readonly FindingFacts[]): string {
  const count = (wanted: FindingFacts['state']) => findings.filter(({ state }) => state === wanted).length;
  const known = count('warning') === 0 ? '' : `, ${count('warning')} to know about`;
  return count('broken') === 0 ? `All is well${known}.` : `${count('broken')} broken${known}.`;
}

const Card = ({ subject, state, fact, remedy }: FindingFacts) => (
  <li class={`card finding ${state}`} data-key={`${subject} ${state}`}>
    <p class="task">
      {subject} <span class="state">{words[state]}</span>
    </p>
    <p>{fact}</p>
    {remedy !== undefined && <p class="dim">To mend it: {remedy}</p>}
  </li>
);
