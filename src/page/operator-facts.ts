import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { OperatorSource, Visitor } from '@nostr-dm-agent/page';
import type { CommandDeps } from '../commands/command-deps.ts';
import { modelText } from '../commands/model-commands.ts';
import { nodeName } from '../replies/provider-replies.ts';
import { settingMeanings } from '../replies/setting-replies.ts';
import { mintName } from '../replies/wallet-replies.ts';

export type OperatorFactsDeps = Pick<
  CommandDeps,
  'keptLog' | 'configured' | 'doctor' | 'currentSessions' | 'providers' | 'money'
> & { readonly stopping: AbortSignal; readonly settings: Pick<CommandDeps['stores']['settings'], 'get'> };

const logLines = 200;

/** What whoever runs the bot sees of it. For admins alone. */
export function createOperatorFacts(deps: OperatorFactsDeps): OperatorSource {
  return {
    log: (query) => deps.keptLog(query, logLines),
    settings: (visitor) => settings(deps, visitor),
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

const inWords = (amount: Sat | undefined): string | undefined =>
  amount === undefined || amount === 0 ? undefined : formatSat(amount);
