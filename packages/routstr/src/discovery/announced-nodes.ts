import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { type AbilitySource, canonicalId } from '../models/ability.ts';
import { typicalTaskSat, type UsableModel, usableModels } from '../models/usable-models.ts';
import type { NodeClient } from '../node/node-client.ts';
import { type NodeUrl, NodeUrlError, parseNodeUrl } from '../node/node-url.ts';
import type { NodeInfo } from '../node/outcomes.ts';
import { commonMints, type MintHoldings } from '../paid-run/mint-match.ts';

/** What the reviewer says of who announces a node. Nobody reviewed it: not to be trusted by itself. */
export type Verdict = 'trusted' | 'rejected' | 'unreviewed';

/** An announcement and a review, as far as it matters here. */
export type Announced = {
  readonly author: string;
  readonly urls: readonly string[];
  readonly version: string | undefined;
  readonly name: string | undefined;
};
export type Reviewed = { readonly about: string; readonly labels: readonly string[] };

/** Somebody says that his node is there. */
export type Claim = {
  readonly author: string;
  readonly verdict: Verdict;
  readonly name: string | undefined;
  readonly version: string | undefined;
};
/** An address, and everybody who says that his node is there: newest first. */
export type AnnouncedNode = { readonly url: NodeUrl; readonly claims: readonly Claim[] };

const bad = new Set(['avoid', 'suspicious', 'blacklisted', 'removed']);
const good = new Set(['lgtm', 'lgtm2', 'trusted', 'verified']);

/** Any bad word counts; without a good one nobody is trusted. */
function verdictOf(labels: readonly string[]): Verdict {
  if (labels.some((label) => bad.has(label))) return 'rejected';
  return labels.some((label) => good.has(label)) ? 'trusted' : 'unreviewed';
}

/** The announced addresses, each once. Announcements in the order of their age, newest first. */
export function announcedNodes(
  announcements: readonly Announced[],
  reviews: readonly Reviewed[],
): readonly AnnouncedNode[] {
  const verdicts = new Map(reviews.map(({ about, labels }) => [about, verdictOf(labels)]));
  const nodes = new Map<NodeUrl, Claim[]>();
  for (const { author, urls, name, version } of announcements) {
    for (const text of urls) {
      const url = readNodeUrl(text);
      if (url === undefined) continue;
      const claims = nodes.get(url) ?? [];
      nodes.set(url, claims);
      if (claims.some((claim) => claim.author === author)) continue;
      claims.push({ author, name, version, verdict: verdicts.get(author) ?? 'unreviewed' });
    }
  }
  return [...nodes].map(([url, claims]) => ({ url, claims }));
}

/**
 * Whose claim on an address counts. Anybody can announce anybody's address: the node itself says whose it is; where it
 * does not, somebody who is trusted would not claim what is not his.
 *
 * @param owner the node's own key in hex (`/v1/info`)
 */
export function claimOf(claims: readonly Claim[], owner: string | undefined): Claim | undefined {
  if (owner !== undefined) return claims.find(({ author }) => author === owner);
  return (
    claims.find(({ verdict }) => verdict === 'trusted') ??
    claims.find(({ verdict }) => verdict === 'rejected') ??
    claims[0]
  );
}

/** What a node is like for us now. */
export type NodeLook = {
  readonly url: NodeUrl;
  readonly verdict: Verdict;
  readonly name: string | undefined;
  readonly version: string | undefined;
} & (
  | { readonly state: 'away'; readonly detail: string }
  | {
      readonly state: 'answers';
      readonly info: NodeInfo;
      /** The model that was asked about; undefined: the node does not have it. */
      readonly model: UsableModel | undefined;
      /** Of that model, for a typical task. */
      readonly taskSat: Sat | undefined;
      /** Whether it takes money of a mint of the wallet; undefined: it does not say, or there is no wallet. */
      readonly takesOurs: boolean | undefined;
    }
);

export type LookOptions = {
  /** With short timeouts, for somebody looks on; through the network guard, for a stranger chose the address. */
  readonly nodeAt: (url: NodeUrl) => Pick<NodeClient, 'nodeInfo' | 'models'>;
  /** `routstr/…` or without; undefined: no prices are asked for. */
  readonly model: string | undefined;
  readonly ability: AbilitySource;
  readonly wallet: MintHoldings | undefined;
  /** Of a key as the node writes it (`npub1…`): hex. */
  readonly hexOf: (npub: string) => string | undefined;
};

/** Asks one node what it is, and what it takes for the model. */
export async function lookAtNode(
  { url, claims }: AnnouncedNode,
  options: LookOptions,
  signal: AbortSignal,
): Promise<NodeLook> {
  const away = (detail: string): NodeLook => {
    const claim = claimOf(claims, undefined);
    const { verdict = 'unreviewed', name, version } = claim ?? {};
    return { url, verdict, name, version, state: 'away', detail };
  };
  const client = options.nodeAt(url);
  const [answer, models] = await Promise.all([
    client.nodeInfo(signal),
    options.model === undefined ? undefined : client.models(signal),
  ]);
  if (answer.state !== 'ok') return away(answer.evidence.message);
  const info = answer.value;
  const claim = claimOf(claims, info.npub === undefined ? undefined : options.hexOf(info.npub));
  const { usable } = usableModels(models?.state === 'ok' ? models.value.models : [], options.ability);
  const model = findModel(usable, options.model);
  return {
    url,
    verdict: claim?.verdict ?? 'unreviewed',
    name: claim?.name ?? info.name,
    version: info.version ?? claim?.version,
    state: 'answers',
    info,
    model,
    taskSat: model && sat(Math.ceil(typicalTaskSat(model))),
    takesOurs:
      options.wallet === undefined || info.mints.length === 0
        ? undefined
        : commonMints(options.wallet, info.mints).length > 0,
  };
}

/** A model by the name that another node has for it. */
export function findModel(
  models: readonly UsableModel[],
  asked: string | undefined,
): UsableModel | undefined {
  if (asked === undefined) return undefined;
  const id = asked.replace(/^routstr\//, '');
  return (
    models.find((model) => model.id === id) ??
    models.find((model) => canonicalId(model.id) === canonicalId(id))
  );
}

/** The best first: what can be used at once and is trusted, then the cheapest. */
export function rankNodes(looks: readonly NodeLook[]): readonly NodeLook[] {
  const rank = (look: NodeLook): number => {
    if (look.verdict === 'rejected') return 9;
    if (look.state === 'away') return 8;
    const flaws = (look.takesOurs === false ? 2 : 0) + (look.model === undefined ? 1 : 0);
    return flaws + (look.verdict === 'trusted' ? 0 : 4);
  };
  const price = (look: NodeLook): number =>
    look.state === 'answers' ? (look.taskSat ?? Number.MAX_SAFE_INTEGER) : Number.MAX_SAFE_INTEGER;
  return looks.toSorted((a, b) => rank(a) - rank(b) || price(a) - price(b) || a.url.localeCompare(b.url));
}

function readNodeUrl(text: string): NodeUrl | undefined {
  try {
    return parseNodeUrl(text);
  } catch (error) {
    if (error instanceof NodeUrlError) return undefined;
    throw error;
  }
}

/** At most so many at a time, in the order of the list. */
export async function inParallel<T, R>(
  items: readonly T[],
  most: number,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, lane));
  return results;
}
