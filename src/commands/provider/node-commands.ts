import { mayBePlain } from '@nostr-dm-agent/kit/net';
import { type NodeUrl, NodeUrlError, parseNodeUrl } from '@nostr-dm-agent/routstr';
import { NodeAwayError } from '../../money/node-models.ts';
import { lines } from '../../replies/format.ts';
import { nodeLine, nodeLines, verdictText } from '../../replies/node-replies.ts';
import { nodeName } from '../../replies/provider-replies.ts';
import { type Call, type Command, RefusalError, UsageError } from '../command.ts';
import type { CommandDeps } from '../command-deps.ts';

/** `!provider nodes`, `!provider node`. */
export const nodeCommands = (deps: CommandDeps): readonly Command[] => [
  {
    path: 'provider nodes',
    family: 'Provider',
    summary: 'nodes announced on Nostr: price, mint, reviews',
    detail:
      'Prices are for a typical small task with your present model. Nodes that nobody at Routstr has reviewed are marked, and never chosen by themselves.',
    role: 'member',
    kind: 'lasting',
    repeatable: true,
    run: async (call, signal) => {
      const { nodes } = deps.money;
      const model = modelOf(deps, call);
      const listing = await nodes.list(model, signal);
      return {
        reply: lines(nodeLines(listing, { model, current: nodes.current() })),
        commit: () => nodes.number(listing.nodes.map(({ url }) => url)),
      };
    },
  },
  {
    path: 'provider node',
    parameters: '[url|n|reset]',
    family: 'Provider',
    summary: 'show or choose the node that serves paid runs',
    detail:
      'For the runs to come, of everybody. A node without a good review is asked about once more: end the command with yes.',
    examples: [
      '!provider node',
      '!provider node 2',
      '!provider node https://node.example',
      '!provider node reset',
    ],
    role: 'member',
    kind: 'lasting',
    repeatable: true,
    run: async (call, signal) => {
      if (call.argument === '') return present(deps);
      if (call.owner.role === 'admin') return choose(deps, call, signal);
      throw new RefusalError(
        'Only an admin can choose the node. !provider node shows it, and !provider set local is another way to work.',
      );
    },
  },
];

/** The model that the owner's next run asks for. */
function modelOf({ money, currentSessions }: CommandDeps, { owner }: Call): string | undefined {
  const { model } = currentSessions.choices(owner.publicKey);
  return money.routstr.modelOf(model)?.id ?? model;
}

function present({ money: { nodes } }: CommandDeps): string {
  const node = nodes.current();
  const configured = nodes.configured();
  const others = nodes.fallbacks().filter((each) => each !== node);
  return lines(
    `Paid runs are served by ${nodeName(node)} (${node === configured ? 'as configured' : 'chosen by !provider node'}).`,
    others.length === 0
      ? 'When it is down, they are refused: ROUTSTR_FALLBACKS names others for that.'
      : `When it is down, by the cheapest of ${others.map(nodeName).join(', ')} that can.`,
    `!provider nodes lists others${node === configured ? '.' : `; !provider node reset goes back to ${nodeName(configured)}.`}`,
  );
}

async function choose(deps: CommandDeps, call: Call, signal: AbortSignal): Promise<string> {
  const { nodes } = deps.money;
  const [, target = '', sure] = /^(\S+?)(?:\s+(yes))?$/i.exec(call.argument) ?? [];
  if (target === '') {
    throw new UsageError(
      'That is more than one node; one address, or a number of !provider nodes, is expected.',
    );
  }
  if (/^reset$/i.test(target)) return use(deps, nodes.configured(), undefined, signal);
  const node = readTarget(target, nodes.numbered());
  const look = await nodes.look(node, modelOf(deps, call), signal);
  if (look.state === 'away') {
    throw new RefusalError(
      `${nodeName(node)} does not answer as a Routstr node. Nothing was changed; paid runs go on at ${nodeName(nodes.current())}.`,
    );
  }
  const known = node === nodes.configured() || node === nodes.current();
  if (!known && look.verdict !== 'trusted' && sure === undefined) {
    return lines(
      nodeLine(look),
      `${verdictText[look.verdict]} A node gets the whole budget of each run before it works, and sees what is said in it.`,
      `To choose it all the same: !provider node ${node} yes`,
    );
  }
  const warning =
    look.takesOurs === false
      ? `⚠ It takes none of the wallet’s mints, so no run can be paid there yet. It takes: ${look.info.mints.slice(0, 3).map(nodeName).join(', ')} (!wallet mints add <url> accepts one).`
      : undefined;
  return use(deps, node, warning, signal);
}

/** Chosen already when the models are asked for: they are those of the new node. */
async function use(
  { money }: CommandDeps,
  node: NodeUrl,
  warning: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  money.nodes.choose(node);
  // Without a wallet nobody pays for its models yet.
  const synced = money.wallet.opened() === undefined ? undefined : await syncOrAway(money, signal);
  return lines(
    `The runs to come are served by ${nodeName(node)}. Runs under way and money that is owed stay with their nodes.`,
    warning,
    synced === undefined
      ? 'It shows no models right now; they are asked for later, or by !provider sync-models.'
      : `It has ${synced.usable.length} models for agents: !provider models.`,
  );
}

async function syncOrAway({ routstr }: CommandDeps['money'], signal: AbortSignal) {
  try {
    return await routstr.syncModels(signal);
  } catch (error) {
    if (error instanceof NodeAwayError) return undefined;
    throw error;
  }
}

/** @throws UsageError */
function readTarget(text: string, numbered: readonly NodeUrl[]): NodeUrl {
  if (/^#?\d{1,3}$/.test(text)) {
    const node = numbered[Number(text.replace('#', '')) - 1];
    if (node !== undefined) return node;
    throw new UsageError(
      numbered.length === 0
        ? 'There is no list yet: !provider nodes makes one.'
        : `The last list has the numbers 1 to ${numbered.length}.`,
    );
  }
  try {
    const node = parseNodeUrl(text.includes('://') ? text : `https://${text}`);
    const { protocol, hostname } = new URL(node);
    if (protocol === 'https:' || mayBePlain(hostname)) return node;
  } catch (error) {
    if (!(error instanceof NodeUrlError)) throw error;
    throw new UsageError('That is not the address of a node.');
  }
  throw new UsageError('A node’s address begins with https://.');
}
