import { startSandboxMint } from '../../src/mint/sandbox-mint.ts';
import { type Profile, type SandboxNode, startSandboxNode } from '../../src/node/sandbox-node.ts';
import { type FilledWallet, openFilledWallet } from './filled-wallet.ts';
import { type ScriptedUpstream, startScriptedUpstream } from './scripted-upstream.ts';

/** A node under test, the mint it trusts, a mint it doesn't trust, and the upstream it asks. */
export type ConformanceNode = {
  readonly url: string;
  readonly mint: string;
  readonly profile: Profile;
  /** The chat model that is priced by tokens and has both limits. */
  readonly model: string;
  readonly upstream: ScriptedUpstream;
  readonly payer: FilledWallet;
  /** A wallet at a mint that the node doesn't list. */
  readonly foreign: FilledWallet | undefined;
  /** For what only the sandbox's own node can be made to do. */
  readonly sandbox: SandboxNode | undefined;
  readonly stop: () => Promise<void>;
};

const external = {
  url: process.env.ROUTSTR_CONFORMANCE_URL,
  mint: process.env.ROUTSTR_CONFORMANCE_MINT,
  foreignMint: process.env.ROUTSTR_CONFORMANCE_FOREIGN_MINT,
  upstreamPort: process.env.ROUTSTR_CONFORMANCE_UPSTREAM_PORT,
  model: process.env.ROUTSTR_CONFORMANCE_MODEL,
  profile: process.env.ROUTSTR_CONFORMANCE_PROFILE,
};

/** What the suite runs against: a node elsewhere if the environment names one, else the sandbox node in each profile. */
export const conformanceProfiles: readonly Profile[] =
  external.url === undefined ? ['legacy', '0.4.5', 'main'] : [profileNamed(external.profile)];

function profileNamed(name: string | undefined): Profile {
  return name === 'legacy' || name === 'main' ? name : '0.4.5';
}

export async function startConformanceNode(profile: Profile): Promise<ConformanceNode> {
  return external.url === undefined ? startOwn(profile) : connect(external.url, profile);
}

async function startOwn(profile: Profile): Promise<ConformanceNode> {
  const mint = startSandboxMint({ feePpk: 100 });
  const foreignMint = startSandboxMint();
  const upstream = startScriptedUpstream();
  const node = startSandboxNode({
    mints: [mint.url],
    profile,
    upstream: { baseUrl: upstream.baseUrl, apiKey: 'upstream-key' },
  });
  return {
    url: node.url,
    mint: mint.url,
    profile,
    model: 'claude-sonnet-4.5',
    upstream,
    payer: await openFilledWallet(mint.url, 400_000),
    foreign: await openFilledWallet(foreignMint.url, 10_000),
    sandbox: node,
    async stop() {
      await node.stop();
      await upstream.stop();
      await mint.stop();
      await foreignMint.stop();
    },
  };
}

/** The node's upstream must be `http://127.0.0.1:<ROUTSTR_CONFORMANCE_UPSTREAM_PORT>/v1`; the suite listens there. */
async function connect(url: string, profile: Profile): Promise<ConformanceNode> {
  const { mint, upstreamPort } = external;
  if (mint === undefined || upstreamPort === undefined) {
    throw new Error(
      'ROUTSTR_CONFORMANCE_URL needs ROUTSTR_CONFORMANCE_MINT and ROUTSTR_CONFORMANCE_UPSTREAM_PORT beside it',
    );
  }
  const upstream = startScriptedUpstream(Number(upstreamPort));
  return {
    url: url.replace(/\/(v1\/?)?$/, ''),
    mint,
    profile,
    model: external.model ?? 'claude-sonnet-4.5',
    upstream,
    payer: await openFilledWallet(mint, 400_000),
    foreign:
      external.foreignMint === undefined ? undefined : await openFilledWallet(external.foreignMint, 10_000),
    sandbox: undefined,
    stop: () => upstream.stop(),
  };
}
