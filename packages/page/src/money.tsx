/** @jsxImportSource hono/jsx */
import { formatSat } from '@nostr-dm-agent/kit/sat';
import { AutoTopUp } from './auto-top-up.tsx';
import { Does, type Viewer, type Way } from './layout.tsx';
import { ledgerPages } from './ledger.tsx';
import { MoneyMenu, NoWallet } from './money-menu.tsx';
import type { MoneyFacts } from './money-source.ts';
import { spendPages } from './spend.tsx';
import { Stuck } from './stuck.tsx';
import { TopUps } from './top-ups.tsx';
import type { View } from './view.ts';

export const moneyView: View = {
  path: '/money',
  title: 'Money',
  live: ({ source, viewer }) => {
    const facts = source.money.view(viewer.visitor);
    return facts === undefined ? <NoWallet /> : <Money facts={facts} viewer={viewer} />;
  },
  more: (app, inside) => {
    spendPages(app, inside);
    ledgerPages(app, inside);
  },
};

const topUp: Way = {
  command: '!wallet topup {}',
  label: 'Top up',
  brief: true,
  field: { label: 'Sats', type: 'number', value: '5000' },
};
const receive: Way = {
  command: '!wallet receive {}',
  label: 'Take in',
  field: { label: 'A Cashu token', type: 'long', hint: 'cashuB…' },
};
const send: Way = {
  command: '!wallet send {}',
  label: 'Make a token',
  field: { label: 'Sats, or all', hint: '1000' },
};
const pay: Way = {
  command: '!wallet withdraw {}',
  label: 'Pay',
  field: { label: 'Lightning invoice or address', hint: 'name@example.com 2000' },
};
const confirm: Way = {
  command: '!wallet confirm {}',
  label: 'Confirm',
  field: { label: 'The code', type: 'code' },
  grave: true,
};

const Money = ({ facts, viewer }: { readonly facts: MoneyFacts; readonly viewer: Viewer }) => (
  <>
    <MoneyMenu at="/money" />
    <Figures facts={facts} />
    <TopUps topUps={facts.topUps} />
    <Stuck stuck={facts.stuck} />
    <section aria-labelledby="in">
      <h2 id="in">In</h2>
      <div class="pair">
        <Does way={topUp} viewer={viewer} back="/money" />
        <Does way={receive} viewer={viewer} back="/money" />
      </div>
    </section>
    {facts.autoTopUp !== undefined && <AutoTopUp facts={facts.autoTopUp} viewer={viewer} />}
    {viewer.visitor.role === 'admin' && (
      <section aria-labelledby="out">
        <h2 id="out">Out</h2>
        <p class="dim">
          You are told what it costs, and given a code. Nothing leaves before the code is sent.
        </p>
        <div class="pair">
          <Does way={send} viewer={viewer} back="/money" />
          <Does way={pay} viewer={viewer} back="/money" />
          <Does way={confirm} viewer={viewer} back="/money" />
        </div>
      </section>
    )}
    {facts.open.length > 0 && (
      <section aria-labelledby="open">
        <h2 id="open">Open</h2>
        <ul class="lines">
          {facts.open.map((line) => (
            <li>{line}</li>
          ))}
        </ul>
      </section>
    )}
    {facts.wallet !== undefined && facts.wallet.mints.length > 0 && <Mints mints={facts.wallet.mints} />}
  </>
);

type Figure = { readonly name: string; readonly amount: string; readonly note?: string };

function figuresOf({ wallet, share, today }: MoneyFacts): readonly Figure[] {
  const limit = today.limit === undefined ? {} : { note: `of ${formatSat(today.limit)} a day` };
  return [
    ...(share === undefined ? [] : [{ name: 'Yours to spend', amount: formatSat(share) }]),
    ...(wallet === undefined
      ? []
      : [
          { name: 'Ready', amount: formatSat(wallet.all.ready) },
          { name: 'Reserved', amount: formatSat(wallet.all.reserved) },
          { name: 'In tokens', amount: formatSat(wallet.all.sent) },
          { name: 'On its way in', amount: formatSat(wallet.all.incoming) },
          { name: 'At nodes, in runs', amount: formatSat(wallet.nodes.running) },
          { name: 'Owed by nodes', amount: formatSat(wallet.nodes.due) },
          { name: 'Kept at nodes', amount: formatSat(wallet.nodes.kept) },
        ]),
    { name: 'You, today', amount: formatSat(today.used), ...limit },
  ];
}

const Figures = ({ facts }: { readonly facts: MoneyFacts }) => (
  <dl class="figures">
    {figuresOf(facts).map(({ name, amount, note }, index) => (
      <div class={index === 0 ? 'first' : undefined}>
        <dt>{name}</dt>
        <dd>
          {amount}
          {note !== undefined && <small>{note}</small>}
        </dd>
      </div>
    ))}
  </dl>
);

const Mints = ({ mints }: Pick<NonNullable<MoneyFacts['wallet']>, 'mints'>) => (
  <section aria-labelledby="mints">
    <h2 id="mints">Mints</h2>
    <table class="stack">
      <thead>
        <tr>
          <th scope="col">Mint</th>
          {['Ready', 'Reserved', 'In tokens', 'On its way in', 'Owed by nodes'].map((name) => (
            <th scope="col" class="amount">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {mints.map(({ mint, ready, reserved, sent, incoming, owed }) => (
          <tr>
            <th scope="row">{mint}</th>
            <td data-label="Ready" class="amount">
              {formatSat(ready)}
            </td>
            <td data-label="Reserved" class="amount">
              {formatSat(reserved)}
            </td>
            <td data-label="In tokens" class="amount">
              {formatSat(sent)}
            </td>
            <td data-label="On its way in" class="amount">
              {formatSat(incoming)}
            </td>
            <td data-label="Owed by nodes" class="amount">
              {formatSat(owed)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </section>
);
