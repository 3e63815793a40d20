import type { NodeLook } from '@nostr-dm-agent/routstr';
import { type NodeUrl, NodeUrlError, parseNodeUrl } from '@nostr-dm-agent/routstr';
import { NodeAwayError, type RoutstrAccess } from '../../money/routstr-access.ts';
import { nodeLine, nodeLines, verdictText } from '../../replies/node-replies.ts';
import { nodeName } from '../../replies/provider-replies.ts';
import { NoWalletError } from '../../replies/wallet-error-replies.ts';
import { type Call, type Command, type Outcome, RefusalError, UsageError } from '../command.ts';

/** Nodes that somebody announces. */
export type Listing = {
  /** The present one first, then the best. */
  readonly nodes: readonly NodeLook[];
  /** How many more are announced. */
  readonly more: number;
  /** False: no relay could be asked. */
  readonly complete: boolean;
};

/** Which node serves paid runs, and which others there are (`node-choice.ts`). */
export type Nodes = {
  /** Where the runs to come are paid. */
  readonly current: () => NodeUrl;
  /** `ROUTSTR_BASE_URL`. */
  readonly configured: () => NodeUrl;
  /** `ROUTSTR_FALLBACKS`. */
  readonly fallbacks: () => readonly NodeUrl[];
  /** The npub that a node says it has, as far as is known without asking it. */
  readonly operatorOf: (node: NodeUrl) => string | undefined;
  /** For the runs to come, also after a restart; undefined: the configured one again. */
  readonly choose: (node: NodeUrl | undefined) => void;
  /** The nodes of the last list, by their numbers in it. */
  readonly numbered: () => readonly NodeUrl[];
  readonly number: (nodes: readonly NodeUrl[]) => void;
  /** Asks relays and nodes; prices are those of the model. */
  readonly list: (model: string | undefined, signal: AbortSignal) => Promise<Listing>;
  readonly look: (node: NodeUrl, model: string | undefined, signal: AbortSignal) => Promise<NodeLook>;
};

export type NodeCommandDeps = {
  readonly nodes: Nodes;
  readonly routstr: Pick<RoutstrAccess, 'syncModels'>;
  /** The model that the owner's next run asks for. */
  readonly modelOf: (call: Call) => string | undefined;
};

/** `!provider nodes`, `!provider node`. */
export function nodeCommands({ nodes, routstr, modelOf }: NodeCommandDeps): readonly Command[] {
  const show = (): Outcome => {
    const node = nodes.current();
    const configured = nodes.configured();
    const others = nodes.fallbacks().filter((each) => each !== node);
    return {
      reply: [
        `Paid runs are served by ${nodeName(node)} (${node === configured ? 'as configured' : 'chosen by !provider node'}).`,
        others.length === 0
          ? 'When it is down, they are refused: ROUTSTR_FALLBACKS names others for that.'
          : `When it is down, by the cheapest of ${others.map(nodeName).join(', ')} that can.`,
        `!provider nodes lists others${node === configured ? '.' : `; !provider node reset goes back to ${nodeName(configured)}.`}`,
      ].join('\n'),
    };
  };

  /** Chosen already when the models are asked for: they are those of the new node. */
  const use = async (node: NodeUrl, lines: readonly string[], signal: AbortSignal): Promise<Outcome> => {
    nodes.choose(node);
    const models = await syncModels(signal);
    return {
      reply: [
        `The runs to come are served by ${nodeName(node)}. Runs under way and money that is owed stay with their nodes.`,
        ...lines,
        models,
      ].join('\n'),
    };
  };
  const syncModels = async (signal: AbortSignal): Promise<string> => {
    try {
      const { usable } = await routstr.syncModels(signal);
      return `It has ${usable.length} models for agents: !provider models.`;
    } catch (error) {
      // Without a wallet nobody pays for its models yet.
      if (!(error instanceof NodeAwayError || error instanceof NoWalletError)) throw error;
      return 'It shows no models right now; they are asked for later, or by !provider sync-models.';
    }
  };

  const set = async (call: Call, signal: AbortSignal): Promise<Outcome> => {
    const [, target = '', sure] = /^(\S+?)(?:\s+(yes))?$/i.exec(call.argument) ?? [];
    if (target === '') {
      throw new UsageError(
        'That is more than one node; one address, or a number of !provider nodes, is expected.',
      );
    }
    if (/^reset$/i.test(target)) return use(nodes.configured(), [], signal);
    const node = readTarget(target, nodes.numbered());
    const look = await nodes.look(node, modelOf(call), signal);
    if (look.state === 'away') {
      throw new RefusalError(
        `${nodeName(node)} does not answer as a Routstr node. Nothing was changed; paid runs go on at ${nodeName(nodes.current())}.`,
      );
    }
    const known = node === nodes.configured() || node === nodes.current();
    if (!known && look.verdict !== 'trusted' && sure === undefined) {
      return {
        reply: [
          nodeLine(look),
          `${verdictText[look.verdict]} A node gets the whole budget of each run before it works, and sees what is said in it.`,
          `To choose it all the same: !provider node ${node} yes`,
        ].join('\n'),
      };
    }
    const warnings = [
      ...(look.takesOurs === false
        ? [
            `⚠ It takes none of the wallet’s mints, so no run can be paid there yet. It takes: ${look.info.mints.slice(0, 3).map(nodeName).join(', ')} (!wallet mints add <url> accepts one).`,
          ]
        : []),
    ];
    return use(node, warnings, signal);
  };

  return [
    {
      path: 'provider nodes',
      parameters: '',
      family: 'Provider',
      summary: 'nodes announced on Nostr: price, mint, reviews',
      detail:
        'Prices are for a typical small task with your present model. Nodes that nobody of Routstr has reviewed are marked, and never chosen by themselves.',
      examples: ['!provider nodes'],
      role: 'member',
      kind: 'lasting',
      repeatable: true,
      run: async (call, signal) => {
        const model = modelOf(call);
        const listing = await nodes.list(model, signal);
        return {
          reply: nodeLines(listing, { model, current: nodes.current() }).join('\n'),
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
        if (call.argument === '') return show();
        if (call.owner.role !== 'admin') {
          throw new RefusalError(
            'Only an admin can choose the node. !provider node shows it, and !provider set local is another way to work.',
          );
        }
        return set(call, signal);
      },
    },
  ];
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
    if (protocol === 'https:' || ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return node;
  } catch (error) {
    if (!(error instanceof NodeUrlError)) throw error;
    throw new UsageError('That is not the address of a node.');
  }
  throw new UsageError('A node’s address begins with https://.');
}
