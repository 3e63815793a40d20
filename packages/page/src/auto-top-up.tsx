/** @jsxImportSource hono/jsx */
import { Does, type Viewer, type Way } from './layout.tsx';
import type { MoneyFacts } from './money-source.ts';

const connect: Way = {
  command: '!wallet autotopup {} {}/day',
  label: 'Connect',
  field: { label: 'Connection of your wallet', type: 'password', hint: 'nostr+walletconnect://…' },
  also: { label: 'Sats a day at most', type: 'number', value: '5000' },
};
const cap: Way = {
  command: '!wallet autotopup {}/day',
  label: 'Set the cap',
  field: { label: 'Sats a day at most', type: 'number', value: '5000' },
};
const off: Way = { command: '!wallet autotopup off', label: 'Turn off', quiet: true };

/** The bot's wallet, filled from its owner's; for admins. */
export const AutoTopUp = ({
  facts,
  viewer,
}: {
  readonly facts: NonNullable<MoneyFacts['autoTopUp']>;
  readonly viewer: Viewer;
}) => (
  <section aria-labelledby="auto-top-up">
    <h2 id="auto-top-up">Automatic top-ups</h2>
    <ul class="lines">
      {facts.lines.map((line) => (
        <li>{line}</li>
      ))}
    </ul>
    <div class="pair">
      <Does way={connect} viewer={viewer} back="/money" />
      {facts.isOn && <Does way={cap} viewer={viewer} back="/money" />}
    </div>
    {facts.isOn && <Does way={off} viewer={viewer} back="/money" />}
  </section>
);
