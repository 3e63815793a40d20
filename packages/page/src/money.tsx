/** @jsxImportSource hono/jsx */
import { formatSat } from '@nostr-dm-agent/kit/sat';
import type { MoneyFacts } from './facts.ts';
import { Time, type Viewer, type Way, Ways } from './layout.tsx';
import { ledgerCsv } from './ledger-csv.ts';
import type { View } from './view.ts';

const ledgerRows = 50;

export const moneyView: View = {
  path: '/money',
  title: 'Money',
  show: ({ source, viewer }) => {
    const facts = source.money(viewer.visitor, ledgerRows);
    return facts === undefined ? <p>There is no wallet.</p> : <Money facts={facts} viewer={viewer} />;
  },
  more: (app, { source }) => {
    app.get('/money/ledger.csv', (c) => {
      const facts = source.money(c.get('visitor'), Number.MAX_SAFE_INTEGER);
      if (facts === undefined) return c.notFound();
      return c.body(ledgerCsv(facts.ledger), 200, {
        'Content-Type': 'text/csv; charset=utf-8',
        'Content-Disposition': 'attachment; filename="ledger.csv"',
      });
    });
  },
};

const waysIn: readonly Way[] = [
  { command: '!wallet topup {}', label: 'Top up', field: { label: 'Sats', type: 'number', value: '5000' } },
  { command: '!wallet receive {}', label: 'Take in', field: { label: 'A Cashu token' } },
];
const waysOut: readonly Way[] = [
  { command: '!wallet send {}', label: 'Make a token', field: { label: 'Sats, or all' } },
  { command: '!wallet withdraw {}', label: 'Pay', field: { label: 'Invoice, or name@host and sats' } },
  {
    command: '!wallet confirm {}',
    label: 'Confirm',
    field: { label: 'The code that you were given' },
    grave: true,
  },
];

/** What there is, the ways in and out, what is open, the ledger. */
const Money = ({ facts, viewer }: { readonly facts: MoneyFacts; readonly viewer: Viewer }) => (
  <>
    {facts.share !== undefined && <p class="large">{formatSat(facts.share)} yours</p>}
    {facts.wallet !== undefined && <Wallet wallet={facts.wallet} />}
    <section aria-labelledby="ways">
      <h2 id="ways">In and out</h2>
      <Ways
        ways={viewer.visitor.role === 'admin' ? [...waysIn, ...waysOut] : waysIn}
        viewer={viewer}
        back="/money"
      />
    </section>
    {facts.open.length > 0 && (
      <section aria-labelledby="open">
        <h2 id="open">Open</h2>
        <ul>
          {facts.open.map((line) => (
            <li>{line}</li>
          ))}
        </ul>
      </section>
    )}
    <Ledger ledger={facts.ledger} />
  </>
);

const Wallet = ({ wallet: { mints, nodes } }: { readonly wallet: NonNullable<MoneyFacts['wallet']> }) => (
  <section class="wide" aria-label="Balance by mint">
    <table>
      <thead>
        <tr>
          <th scope="col">Mint</th>
          <th scope="col">Ready</th>
          <th scope="col">Reserved</th>
          <th scope="col">In tokens</th>
          <th scope="col">On its way in</th>
        </tr>
      </thead>
      <tbody>
        {mints.map(({ mint, ready, reserved, sent, incoming }) => (
          <tr>
            <th scope="row">{mint}</th>
            {[ready, reserved, sent, incoming].map((amount) => (
              <td class="amount">{formatSat(amount)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
    <p class="dim">
      At nodes: {formatSat(nodes.running)} in runs under way, {formatSat(nodes.due)} owed,{' '}
      {formatSat(nodes.kept)} kept.
    </p>
  </section>
);

const Ledger = ({ ledger }: Pick<MoneyFacts, 'ledger'>) => (
  <section aria-labelledby="ledger">
    <h2 id="ledger">Paid runs</h2>
    {ledger.length === 0 ? (
      <p>None yet.</p>
    ) : (
      <section class="wide" aria-label="Table of paid runs">
        <table>
          <thead>
            <tr>
              {['When', 'Task', 'Model', 'Budget', 'Spent', 'Came back', 'Fees', 'State'].map((name) => (
                <th scope="col">{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {ledger.map(({ at, task, model, budget, spent, refund, fee, state }) => (
              <tr>
                <td>
                  <Time at={at} />
                </td>
                <td>{task}</td>
                <td>{model ?? ''}</td>
                {[budget, spent, refund, fee].map((amount) => (
                  <td class="amount">{formatSat(amount)}</td>
                ))}
                <td>{state}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <p>
          <a href="/money/ledger.csv">All of it as CSV</a>
        </p>
      </section>
    )}
  </section>
);
