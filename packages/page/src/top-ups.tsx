/** @jsxImportSource hono/jsx */
import { formatSat } from '@nostr-dm-agent/kit/sat';
import { Time } from './layout.tsx';
import type { TopUpFacts } from './money-source.ts';
import { Qr } from './qr.tsx';

/** Invoices to be paid, to be scanned or tapped; what `data-tell` says is read out when it is new. */
export const TopUps = ({ topUps }: { readonly topUps: readonly TopUpFacts[] }) => (
  <>
    {topUps.map((topUp) => (
      <section
        class={`card top-up ${topUp.state}`}
        data-key={topUp.id}
        aria-label={`Invoice for ${formatSat(topUp.amount)}`}
      >
        {topUp.state === 'unpaid' ? <ToPay topUp={topUp} /> : <Ended topUp={topUp} />}
      </section>
    ))}
  </>
);

const Ended = ({ topUp: { amount, mint, state } }: { readonly topUp: TopUpFacts }) => (
  <p class="large" data-tell>
    {state === 'paid'
      ? `✓ Paid: ${formatSat(amount)}, at ${hostOf(mint)}.`
      : `The invoice for ${formatSat(amount)} has expired. If it was paid all the same, the money comes in.`}
  </p>
);

const ToPay = ({ topUp }: { readonly topUp: TopUpFacts }) => {
  const { id, amount, mint, invoice, request, expiresAt } = topUp;
  const link = `lightning:${invoice}`;
  return (
    <>
      <a class="scan" href={link} aria-label={`Pay ${formatSat(amount)} with a Lightning wallet`}>
        <Qr text={invoice.toUpperCase()} label={`QR code of the invoice for ${formatSat(amount)}`} />
      </a>
      <div>
        <p class="large">{formatSat(amount)}</p>
        <p class="dim">
          to {hostOf(mint)}
          {expiresAt !== undefined && (
            <>
              , until <Time at={expiresAt} />
            </>
          )}
        </p>
        <p class="waits">Waits to be paid.</p>
        <div class="row">
          <a class="button" href={link}>
            Open a wallet
          </a>
          <Copy id={`invoice-${id}`} label="Copy the invoice" />
          {request !== undefined && <Copy id={`request-${id}`} label="Copy for a Cashu wallet" />}
        </div>
        <details id={`texts-${id}`}>
          <summary>As text</summary>
          <pre id={`invoice-${id}`}>{invoice}</pre>
          {request !== undefined && (
            <>
              <p class="dim">Or, for a Cashu wallet, pay one of them:</p>
              <pre id={`request-${id}`}>{request}</pre>
            </>
          )}
        </details>
      </div>
    </>
  );
};

const Copy = ({ id, label }: { readonly id: string; readonly label: string }) => (
  <button type="button" class="quiet" data-copy={id} id={`copy-${id}`}>
    {label}
  </button>
);

const hostOf = (mint: string): string => mint.replace(/^https?:\/\//, '');
