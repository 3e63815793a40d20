/** @jsxImportSource hono/jsx */
import type { LogLevel } from '@nostr-dm-agent/kit/log';
import { z } from 'zod';
import type { LogEntryFacts, LogFacts, LogQueryFacts } from './operator-source.ts';
import type { Ask, View } from './view.ts';

export const logView: View = {
  path: '/log',
  title: 'Log',
  adminsOnly: true,
  show: ({ query }) => <Filter query={readQuery(query)} />,
  live: ({ source, query }) => <Lines {...source.operator.log(readQuery(query))} />,
};

const levels: readonly (readonly [LogLevel, string])[] = [
  ['debug', 'Everything'],
  ['info', 'What is worth knowing'],
  ['warn', 'Warnings and errors'],
  ['error', 'Errors'],
];

const asked = z.object({
  level: z.enum(['debug', 'info', 'warn', 'error']).optional().catch(undefined),
  text: z.string().trim().min(1).max(200).optional().catch(undefined),
  run: z
    .string()
    .regex(/^\s*#?\d{1,9}\s*$/)
    .transform((text) => Number(text.replace('#', '')))
    .optional()
    .catch(undefined),
});
/** What can't be read is not asked for. */
const readQuery = (query: Ask['query']): LogQueryFacts => asked.parse(query);

/** Works without a script: it asks for the page anew. */
const Filter = ({ query }: { readonly query: LogQueryFacts }) => (
  <form method="get" action="/log" class="filter">
    <label>
      Level
      <select name="level">
        {levels.map(([level, name]) => (
          <option value={level} selected={level === (query.level ?? 'debug')}>
            {name}
          </option>
        ))}
      </select>
    </label>
    <label>
      With the words
      <input name="text" type="search" value={query.text} maxlength={200} autocomplete="off" />
    </label>
    <label>
      Number of the task
      <input
        name="run"
        type="text"
        inputmode="numeric"
        pattern="\s*#?[0-9]{1,9}\s*"
        value={query.run}
        autocomplete="off"
      />
    </label>
    <button type="submit">Show</button>
  </form>
);

const Lines = ({ entries, hasMore }: LogFacts) => (
  <>
    {entries.length === 0 ? (
      <p>{hasMore ? 'Nothing like that in the last of the log.' : 'The log has nothing like that.'}</p>
    ) : (
      byDay(entries).map(([day, ofDay]) => (
        <section aria-labelledby={`day-${day}`}>
          <h2 id={`day-${day}`} class="day">
            {day} <span class="dim">UTC</span>
          </h2>
          <ol class="log">
            {ofDay.map((entry) => (
              <Line {...entry} />
            ))}
          </ol>
        </section>
      ))
    )}
    {entries.length > 0 && hasMore && <p class="dim">What is older is in the files of BOT_HOME/logs.</p>}
  </>
);

const byDay = (
  entries: readonly LogEntryFacts[],
): readonly (readonly [string, readonly LogEntryFacts[]])[] => [
  ...Map.groupBy(entries, ({ at }) => new Date(at).toISOString().slice(0, 10)),
];

/** The usual goes without saying. */
const words: Record<LogLevel, string> = { debug: 'debug ', info: '', warn: 'warning ', error: 'error ' };

const Line = ({ at, level, message, facts, whole }: LogEntryFacts) => (
  <li class={level} data-key={`${at} ${message}`}>
    <p>
      <time datetime={new Date(at).toISOString()}>{new Date(at).toISOString().slice(11, 19)}</time>{' '}
      <span class="level">{words[level]}</span>
      {message}
    </p>
    {facts.length > 0 && (
      <dl class="facts">
        {facts.map(([name, text]) => (
          <div class="fact">
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    )}
    {whole !== undefined && (
      <details>
        <summary>All of it</summary>
        <pre>{whole}</pre>
      </details>
    )}
  </li>
);
