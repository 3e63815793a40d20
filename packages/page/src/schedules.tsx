/** @jsxImportSource hono/jsx */
import { Does, type Viewer, type Way, Ways } from './layout.tsx';
import type { LastFacts, ScheduleFacts, ZoneFacts } from './schedule-facts.ts';
import type { View } from './view.ts';

const back = '/schedules';

export const schedulesView: View = {
  path: back,
  title: 'Schedules',
  show: ({ viewer }) => <Add viewer={viewer} />,
  live: ({ source, viewer }) => (
    <>
      <Zone zone={source.schedules.zone(viewer.visitor)} viewer={viewer} />
      <Schedules all={source.schedules.list(viewer.visitor)} viewer={viewer} />
    </>
  ),
};

const add: Way = {
  command: '!schedule {}',
  label: 'Schedule it',
  field: { label: 'When, and what', hint: 'weekdays 8:00 run the tests' },
};
const zoneOf = ({ name }: ZoneFacts): Way => ({
  command: '!timezone {}',
  label: 'Set my zone',
  quiet: true,
  field: { label: 'Zone', value: name, hint: 'Europe/Berlin' },
});

/** One more, by the grammar of the messages. */
const Add = ({ viewer }: { readonly viewer: Viewer }) => (
  <section aria-label="Another one">
    <Does way={add} viewer={viewer} back={back} />
    <p class="dim">
      weekdays 8:00 · mon,thu 18:30 · every 2h · monthly 1 9:00 · in 20m · tomorrow 9:00 · 2026-12-24 18:00 ·
      five cron fields. “remind” before the text sends it back as it is, free; “agent” lets a task change
      files, which else only reads.
    </p>
  </section>
);

const Zone = ({ zone, viewer }: { readonly zone: ZoneFacts; readonly viewer: Viewer }) => (
  <details>
    <summary>
      Times are those of {zone.name}
      {zone.chosen ? '' : ', the zone of the bot’s machine'}
    </summary>
    {zone.change !== undefined && <p>{zone.change}</p>}
    <Does way={zoneOf(zone)} viewer={viewer} back={back} />
  </details>
);

const Schedules = ({ all, viewer }: { readonly all: readonly ScheduleFacts[]; readonly viewer: Viewer }) =>
  all.length === 0 ? (
    <p>Nothing is scheduled.</p>
  ) : (
    <ul class="cards">
      {all.map((each) => (
        <One schedule={each} viewer={viewer} />
      ))}
    </ul>
  );

const One = ({ schedule, viewer }: { readonly schedule: ScheduleFacts; readonly viewer: Viewer }) => {
  const { id, kind, text, times, state, next, how, count, last } = schedule;
  return (
    <li class="card" id={`schedule-${id}`}>
      <p class="task asked">
        {kind === 'reminder' && '⏰ '}
        {text}
      </p>
      <p>
        #{id} · {[times, next].filter(Boolean).join(' · ')}
      </p>
      <p class="dim">
        {[how, count].filter(Boolean).join(' · ')}
        {last !== undefined && <Last last={last} />}
      </p>
      <Ways
        ways={[state === 'active' ? pause(id) : resume(id), run(schedule), drop(id)]}
        {...{ viewer, back }}
      />
    </li>
  );
};

const Last = ({ last: { at, outcome, session } }: { readonly last: LastFacts }) => (
  <>
    {' '}
    · last {at}
    {session !== undefined && (
      <>
        : <a href={`/sessions/${session}`}>{outcome ?? 'under way'}</a>
      </>
    )}
  </>
);

const pause = (id: number): Way => ({ command: `!schedule pause ${id}`, label: 'Pause', quiet: true });
const resume = (id: number): Way => ({ command: `!schedule resume ${id}`, label: 'Let it go on' });
const run = ({ id, kind }: ScheduleFacts): Way => ({
  command: `!schedule run ${id}`,
  label: kind === 'task' ? 'Do it now' : 'Send it now',
  quiet: true,
});
const drop = (id: number): Way => ({ command: `!schedule drop ${id}`, label: 'End it', grave: true });
