/** @jsxImportSource hono/jsx */

const parts = [
  ['/money', 'Wallet'],
  ['/money/spend', 'Spend'],
  ['/money/ledger', 'Ledger'],
] as const;

/** The pages of this section. */
export const MoneyMenu = ({ at }: { readonly at: (typeof parts)[number][0] }) => (
  <nav class="tabs" aria-label="Money">
    {parts.map(([path, name]) => (
      <a href={path} aria-current={path === at ? 'page' : undefined}>
        {name}
      </a>
    ))}
  </nav>
);

export const NoWallet = () => (
  <p>
    There is no wallet. <code>nostr-dm-agent wallet init</code> on the bot’s machine makes one.
  </p>
);
