import { formatSat } from '@nostr-dm-agent/kit/sat';
import { isIn } from '@nostr-dm-agent/routstr';
import type { Owner } from '../../config/config.ts';
import { connectionMeaning } from '../../replies/connection-replies.ts';
import { lines } from '../../replies/format.ts';
import {
  limitLine,
  nodeName,
  openRunLine,
  owedLines,
  servedFor,
  troubleText,
} from '../../replies/provider-replies.ts';
import { noWallet } from '../../replies/wallet-error-replies.ts';
import { afterBooks, type Command } from '../command.ts';
import type { CommandDeps } from '../command-deps.ts';
import { meansOf, type RunMeans, warningOf } from './run-means.ts';

/** More runs than this are counted, not listed. */
const listed = 5;

/** `!provider`, `!provider status`: from the disk alone. */
export const providerStatusCommands = (deps: CommandDeps): readonly Command[] => [
  {
    path: 'provider',
    family: 'Provider',
    summary: 'who pays for your tasks, and what it may cost',
    role: 'member',
    ...afterBooks(deps.money.routstr.settled, ({ owner }) => statusText(deps, owner)),
  },
  {
    path: 'provider status',
    family: 'Provider',
    summary: 'provider, node, balance, budget, limit, and what nodes owe',
    role: 'member',
    ...afterBooks(deps.money.routstr.settled, ({ owner }) => statusText(deps, owner)),
  },
];

const statusText = (deps: CommandDeps, owner: Owner): string =>
  lines(choiceLine(deps, owner), moneyText(deps, owner));

function choiceLine({ providers }: CommandDeps, { publicKey }: Owner): string {
  const chosen = providers.chosenBy(publicKey);
  const others = providers.connected(publicKey);
  const connection = others.find(({ name }) => name === chosen);
  const meaning =
    chosen === 'local'
      ? 'the backend’s own login pays'
      : chosen === 'routstr'
        ? 'ecash from the wallet pays'
        : connection === undefined
          ? 'not connected, so local pays'
          : connectionMeaning(connection);
  const rest = ['local', 'routstr', ...others.map(({ name }) => name)].filter((name) => name !== chosen);
  return `Provider: ${chosen} – ${meaning}. Others: ${rest.join(', ')} (!provider set).`;
}

/** What a paid run may cost, and where the money of paid runs is; also when the owner has chosen another provider. */
function moneyText(deps: CommandDeps, owner: Owner): string {
  const { money, stores, providers, clock } = deps;
  const { routstr, nodes } = money;
  const pays = providers.chosenBy(owner.publicKey) === 'routstr';
  if (money.wallet.opened() === undefined) return pays ? noWallet : 'Wallet: none.';
  const means = meansOf(deps, owner);
  const { owed, paidRuns } = routstr.provider();
  const now = clock.now();
  const doubtful = paidRuns.open().filter((run) => isIn(run, 'needs_operator'));
  // What is kept is summed up with the rest.
  const others = paidRuns.open().filter((run) => !isIn(run, 'needs_operator', 'kept'));
  const own = stores.settings.get(owner.publicKey, 'dayLimit');
  return lines(
    `Node: ${nodeName(routstr.node())}`,
    pays && `Model: ${modelOf(means)}`,
    `${means.source}: ${formatSat(means.ready)} ready`,
    `Budget: ${formatSat(means.budget)} a run`,
    limitLine(routstr.dayLimit(), routstr.usedToday()),
    own !== undefined &&
      `Your own: ${formatSat(own)} a day; ${formatSat(routstr.usedToday(owner.publicKey))} of it used.`,
    owedLines(owed()),
    others.length <= listed
      ? others.map((run) => `  ${openRunLine(run, now, owner)}`)
      : '  !wallet pending lists the runs.',
    doubtful
      .slice(0, listed)
      .map((run) => troubleText(run, paidRuns.evidence(run.id), now, owner, nodes.operatorOf(run.node))),
    doubtful.length > listed && `${doubtful.length - listed} more like this: !wallet pending.`,
    pays && warningOf(means),
  );
}

const modelOf = ({ model, chosenModel }: RunMeans): string =>
  model === undefined
    ? (chosenModel ?? 'the default of the configuration')
    : `${model.id}${servedFor(model.id, chosenModel)}, at least ${formatSat(model.minimum)} a run`;
