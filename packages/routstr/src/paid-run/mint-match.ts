import type { MintList, MintUrl, Overview } from '@nostr-dm-agent/cashu-wallet';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';

/** What there is at which mint. */
export type MintHoldings = Pick<Overview, 'info' | 'balance'> & Pick<MintList, 'acceptedMint'>;

/** A mint of the wallet that a node takes money of, and how the node writes it: nodes compare the text. */
export type CommonMint = { readonly mint: MintUrl; readonly name: string; readonly ready: Sat };

/** Where a budget is made, or why it can't be made. */
export type MintChoice =
  | { readonly state: 'chosen'; readonly mint: MintUrl; readonly name: string }
  /** No mint that the node takes has enough. */
  | { readonly state: 'short'; readonly mint: MintUrl; readonly have: Sat }
  /** Another mint of the wallet has enough: this much is missing at the one that the node takes. */
  | {
      readonly state: 'elsewhere';
      readonly mint: MintUrl;
      readonly have: Sat;
      readonly from: MintUrl;
      readonly move: Sat;
    }
  /** The node takes none of the wallet's mints. */
  | { readonly state: 'none'; readonly listed: readonly string[] };

/** The wallet's mints that a node lists, the default one first, then the fullest. */
export function commonMints(wallet: MintHoldings, listed: readonly string[]): readonly CommonMint[] {
  const { defaultMint } = wallet.info();
  const holdings = new Map(wallet.balance().mints.map(({ mint, ready }) => [mint, ready]));
  const found = new Map<MintUrl, CommonMint>();
  for (const name of listed) {
    const mint = wallet.acceptedMint(name);
    if (mint !== undefined && !found.has(mint)) {
      found.set(mint, { mint, name, ready: holdings.get(mint) ?? sat(0) });
    }
  }
  const rank = ({ mint }: CommonMint): number => (mint === defaultMint ? 0 : 1);
  return [...found.values()].sort((a, b) => rank(a) - rank(b) || b.ready - a.ready);
}

/** This mint, as a node writes it; undefined: it is not named, or the node does not list it. */
export function mintNamed(
  wallet: MintHoldings,
  listed: readonly string[] | undefined,
  mint: MintUrl | undefined,
): Extract<MintChoice, { state: 'chosen' }> | undefined {
  if (mint === undefined) return undefined;
  if (listed === undefined || listed.length === 0) return { state: 'chosen', mint, name: mint };
  const found = commonMints(wallet, listed).find((each) => each.mint === mint);
  return found && { state: 'chosen', mint, name: found.name };
}

/**
 * The mint to make a budget at.
 *
 * @param listed the node's own list; undefined or empty (a node may leave out its only one): the default mint
 */
export function chooseMint(
  wallet: MintHoldings,
  listed: readonly string[] | undefined,
  budget: Sat,
): MintChoice {
  const { defaultMint } = wallet.info();
  const holdings = wallet.balance().mints;
  if (listed === undefined || listed.length === 0) {
    const have = holdings.find(({ mint }) => mint === defaultMint)?.ready ?? sat(0);
    return have < budget
      ? { state: 'short', mint: defaultMint, have }
      : { state: 'chosen', mint: defaultMint, name: defaultMint };
  }
  const common = commonMints(wallet, listed);
  const enough = common.find(({ ready }) => ready >= budget);
  if (enough) return { state: 'chosen', mint: enough.mint, name: enough.name };
  const [best] = common.toSorted((a, b) => b.ready - a.ready);
  if (best === undefined) return { state: 'none', listed };
  const [other] = holdings
    .filter(({ mint, ready }) => ready > 0 && !common.some((each) => each.mint === mint))
    .toSorted((a, b) => b.ready - a.ready);
  const move = missing(budget, best.ready);
  // Lightning and the mint take something on the way.
  if (other === undefined || other.ready < move + Math.max(10, Math.ceil(move * 0.03))) {
    return { state: 'short', mint: best.mint, have: best.ready };
  }
  return { state: 'elsewhere', mint: best.mint, have: best.ready, from: other.mint, move };
}

/** What has to come, with some for the mint's fees, as a number that people type. */
const missing = (budget: Sat, have: Sat): Sat =>
  sat(Math.ceil((budget - have + Math.max(10, budget * 0.01)) / 10) * 10);
