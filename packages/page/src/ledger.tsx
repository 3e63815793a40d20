/** @jsxImportSource hono/jsx */
import type { Hono } from 'hono';
import { shortNpub, Time } from './layout.tsx';
import { ledgerCsv, streamed } from './ledger-csv.ts';
import { ledgerAddress, readLedgerQuery, readPlace } from './ledger-query.ts';
import { MoneyMenu, NoWallet } from './money-menu.tsx';
import type { LedgerFacts, LedgerPlace, LedgerQuery } from './money-source.ts';
import type { PageEnv } from './page-app.tsx';
import type { Inside } from './view.ts';

const rowsOfPage = 50;
const rowsAtOnce = 500;

/** `/money/ledger` and the same as CSV, which is read and sent in pieces. */
export function ledgerPages(app: Hono<PageEnv>, { source, viewerOf, page }: Inside): void {
  app.get('/money/ledger', async (c) => {
    const viewer = viewerOf(c);
    const { visitor } = viewer;
    if (!source.money.hasWallet()) return c.html(page(viewer, <NoWallet />));
    const filter = readLedgerQuery(c.req.query());
    const before = readPlace(c.req.query('before'));
    const range = { before, atOnce: rowsOfPage + 1 };
    const found: LedgerFacts[] = [];
    for await (const rows of source.money.ledger(visitor, filter, range, c.req.raw.signal)) {
      found.push(...rows);
      if (found.length > rowsOfPage) break;
    }
    const rows = found.slice(0, rowsOfPage);
    const last = found.length > rowsOfPage ? rows.at(-1) : undefined;
    const owners = visitor.role === 'admin' ? source.money.spenders() : undefined;
    const older = last && { ts: last.at, id: last.id };
    return c.html(page(viewer, <Ledger rows={rows} shown={{ filter, before, older }} owners={owners} />));
  });
  app.get('/money/ledger.csv', (c) => {
    const visitor = c.get('visitor');
    if (!source.money.hasWallet()) return c.notFound();
    const filter = readLedgerQuery(c.req.query());
    const chunks = source.money.ledger(visitor, filter, { atOnce: rowsAtOnce }, c.req.raw.signal);
    return c.body(streamed(ledgerCsv(chunks)), 200, {
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': 'attachment; filename="ledger.csv"',
    });
  });
}

/** Beside these, states that a run is in for a moment. */
const states: Readonly<Record<string, string>> = {
  settled: 'settled',
  running: 'under way',
  refund_due: 'change asked for',
  needs_operator: 'in doubt',
  kept: 'kept at the node',
};

type Shown = {
  readonly filter: LedgerQuery;
  readonly before: LedgerPlace | undefined;
  readonly older: LedgerPlace | undefined;
};

const Ledger = ({
  rows,
  shown: { filter, before, older },
  owners,
}: {
  readonly rows: readonly LedgerFacts[];
  readonly shown: Shown;
  /** Npubs that can be asked for; undefined: there is only the reader. */
  readonly owners: readonly string[] | undefined;
}) => {
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  return (
    <>
      <MoneyMenu at="/money/ledger" />
      <Filter filter={filter} owners={owners} />
      {rows.length === 0 ? (
        <p>{isFiltered || before !== undefined ? 'No paid run is like that.' : 'No run was paid for yet.'}</p>
      ) : (
        <Rows rows={rows} withOwner={owners !== undefined} />
      )}
      <nav class="row" aria-label="Pages of the ledger">
        {before !== undefined && (
          <a class="button quiet" href={ledgerAddress('/money/ledger', filter)}>
            To the newest
          </a>
        )}
        {older !== undefined && (
          <a class="button quiet" rel="next" href={ledgerAddress('/money/ledger', filter, older)}>
            Older
          </a>
        )}
        <a class="button quiet" href={ledgerAddress('/money/ledger.csv', filter)} download="ledger.csv">
          {isFiltered ? 'All of these as CSV' : 'All of it as CSV'}
        </a>
      </nav>
    </>
  );
};

const Filter = ({
  filter,
  owners,
}: {
  readonly filter: LedgerQuery;
  readonly owners: readonly string[] | undefined;
}) => (
  <form class="filter" method="get" action="/money/ledger">
    <label class="wider">
      Words
      <input
        name="text"
        type="search"
        value={filter.text}
        maxlength={100}
        placeholder="task, model, provider"
      />
    </label>
    {owners !== undefined && (
      <label>
        Owner
        <select name="owner">
          <option value="">all</option>
          {[...new Set([...owners, ...(filter.owner === undefined ? [] : [filter.owner])])].map((npub) => (
            <option value={npub} selected={npub === filter.owner}>
              {shortNpub(npub)}
            </option>
          ))}
        </select>
      </label>
    )}
    <label>
      State
      <select name="state">
        <option value="">all</option>
        {Object.entries(states).map(([state, name]) => (
          <option value={state} selected={state === filter.state}>
            {name}
          </option>
        ))}
      </select>
    </label>
    <label>
      From
      <input name="from" type="date" value={filter.from} />
    </label>
    <label>
      To
      <input name="to" type="date" value={filter.to} />
    </label>
    <button type="submit">Find</button>
  </form>
);

const Rows = ({
  rows,
  withOwner,
}: {
  readonly rows: readonly LedgerFacts[];
  readonly withOwner: boolean;
}) => (
  <table class="stack ledger">
    <caption>Amounts in sat. A budget is what was spent, came back and went to fees.</caption>
    <thead>
      <tr>
        <th scope="col">When</th>
        <th scope="col">Task</th>
        {withOwner && <th scope="col">Owner</th>}
        {['Budget', 'Spent', 'Came back', 'Fees'].map((name) => (
          <th scope="col" class="amount">
            {name}
          </th>
        ))}
        <th scope="col">State</th>
      </tr>
    </thead>
    <tbody>
      {rows.map((row) => (
        <tr>
          <td data-label="When" class="when">
            <Time at={row.at} />
          </td>
          <td data-label="Task">
            {row.task}
            <small>{[row.model, hostOf(row.node) ?? row.provider].filter(Boolean).join(' · ')}</small>
          </td>
          {withOwner && (
            <td data-label="Owner" class="whose">
              {row.owner === undefined ? (
                'the bot'
              ) : (
                <a href={ledgerAddress('/money/ledger', { owner: row.owner })}>{shortNpub(row.owner)}</a>
              )}
            </td>
          )}
          <td data-label="Budget" class="amount">
            {digits(row.budget)}
          </td>
          <td data-label="Spent" class="amount">
            {digits(row.spent)}
          </td>
          <td data-label="Came back" class="amount">
            {digits(row.refund)}
          </td>
          <td data-label="Fees" class="amount">
            {digits(row.fee)}
          </td>
          <td data-label="State">{states[row.state] ?? row.state.replaceAll('_', ' ')}</td>
        </tr>
      ))}
    </tbody>
  </table>
);

const hostOf = (node: string | undefined): string | undefined =>
  node?.replace(/^https?:\/\//, '').replace(/\/v1$/, '');
const digits = (amount: number): string => amount.toLocaleString('en-US');
