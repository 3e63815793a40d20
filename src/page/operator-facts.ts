import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { NodeFacts, OperatorSource, Visitor } from '@nostr-dm-agent/page';
import type { NodeLook } from '@nostr-dm-agent/routstr';
import type { CommandDeps } from '../commands/command-deps.ts';
import { modelText } from '../commands/model-commands.ts';
import { nodeTitle, nodeVersion } from '../replies/node-replies.ts';
import { nodeName } from '../replies/provider-replies.ts';
import { settingMeanings } from '../replies/setting-replies.ts';
import { mintName } from '../replies/wallet-replies.ts';
import { createNodeDesk, type NodeDesk } from './node-desk.ts';

export type OperatorFactsDeps = Pick<
  CommandDeps,
  'keptLog' | 'configured' | 'doctor' | 'currentSessions' | 'providers' | 'money'
> & {
  readonly stopping: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  readonly settings: Pick<CommandDeps['stores']['settings'], 'get'>;
};

const logLines = 200;
/** So many are offered by name. */
const listedModels = 300;

/** What whoever runs the bot sees of it. For admins alone. */
export function createOperatorFacts(deps: OperatorFactsDeps): OperatorSource {
  const desk = createNodeDesk(deps.money.nodes.list, deps);
  return {
    log: (query) => deps.keptLog(query, logLines),
    settings: (visitor) => settings(deps, visitor),
    seekNodes: (visitor, model) => desk.seek(model ?? modelOfNext(deps, visitor)),
    nodes: (visitor, model) => nodesFacts(deps, desk, model ?? modelOfNext(deps, visitor)),
    // What comes of it is shown; what fails is a finding.
    examine: () => void deps.doctor.look(deps.stopping).catch(() => undefined),
    diagnosis: () => ({ found: deps.doctor.last(), isLooking: deps.doctor.isLooking() }),
  };
}

function settings(deps: OperatorFactsDeps, { publicKey }: Visitor): ReturnType<OperatorSource['settings']> {
  const { mode, backend, approvals } = deps.currentSessions.choices(publicKey);
  const { wallet, routstr, nodes } = deps.money;
  const opened = wallet.opened();
  return {
    own: {
      ...{ mode, backend, approvals },
      model: modelText(deps, publicKey),
      backends: deps.currentSessions.backends,
      stream: deps.settings.get(publicKey, 'stream'),
      provider: deps.providers.chosenBy(publicKey),
    },
    money: opened && {
      budget: formatSat(routstr.budget()),
      dayLimit: inWords(routstr.dayLimit()),
      alert: inWords(wallet.threshold()),
      node: nodeName(nodes.current()),
      mints: opened.info().mints.map(mintName),
    },
    variables: deps.configured.map((setting) => ({ ...setting, meaning: settingMeanings[setting.name] })),
  };
}

/** The model that their next run asks for. */
function modelOfNext({ currentSessions, money }: OperatorFactsDeps, { publicKey }: Visitor) {
  const { model } = currentSessions.choices(publicKey);
  return money.routstr.modelOf(model)?.id ?? model;
}

function nodesFacts(
  { money }: OperatorFactsDeps,
  desk: NodeDesk,
  model: string | undefined,
): ReturnType<OperatorSource['nodes']> {
  const { listing, at, isSeeking } = desk.found(model);
  const current = money.nodes.current();
  const known = money.routstr.knownModels()?.usable ?? [];
  return {
    found: listing && { ...listing, at, nodes: listing.nodes.map((look) => nodeFacts(look, current)) },
    ...{ isSeeking, model, current: nodeName(current) },
    configured: current === money.nodes.configured(),
    known: known.slice(0, listedModels).map(({ id }) => id),
  };
}

const nodeFacts = (look: NodeLook, current: string): NodeFacts => ({
  ...{ url: look.url, address: nodeName(look.url), verdict: look.verdict },
  ...{ name: nodeTitle(look), version: nodeVersion(look), isCurrent: look.url === current },
  answers: look.state === 'answers',
  hasModel: look.state === 'answers' && look.model !== undefined,
  price: look.state === 'answers' ? inWords(look.taskSat) : undefined,
  takesOurs: look.state === 'answers' ? look.takesOurs : undefined,
});

const inWords = (amount: Sat | undefined): string | undefined =>
  amount === undefined || amount === 0 ? undefined : formatSat(amount);
