import { formatSat } from '@nostr-dm-agent/kit/sat';
import { isIn } from '@nostr-dm-agent/routstr';
import { closest } from 'fastest-levenshtein';
import {
  limitLine,
  nodeName,
  openRunLine,
  owedLines,
  servedFor,
  troubleText,
} from '../../replies/provider-replies.ts';
import { NoWalletError, noWallet } from '../../replies/wallet-error-replies.ts';
import { type Call, type Command, type Outcome, RefusalError } from '../command.ts';
import { meansOf, type ProviderCommandDeps, warningOf } from './run-means.ts';

/** More runs than this are counted, not listed. */
const listed = 5;

/** `!provider`, `!provider status`: from the disk alone. `names`: of all commands of the family. */
export function statusCommands(
  deps: ProviderCommandDeps,
  names: () => readonly string[],
): readonly Command[] {
  const status = ({ owner }: Call): Outcome => ({
    reply: [...choiceLines(deps, owner.publicKey), ...moneyLines(deps, owner)].join('\n'),
  });
  return [
    {
      path: 'provider',
      parameters: '',
      family: 'Provider',
      summary: 'who pays for your tasks, and what it may cost',
      examples: ['!provider'],
      role: 'member',
      kind: 'immediate',
      run: (call) => {
        if (call.argument === '') return status(call);
        const [word = ''] = call.argument.toLowerCase().split(/\s+/);
        throw new RefusalError(
          `There is no such provider command. Did you mean !${closest(`provider ${word}`, [...names()])}? !help provider lists them.`,
        );
      },
    },
    {
      path: 'provider status',
      parameters: '',
      family: 'Provider',
      summary: 'provider, node, balance, budget, limit, and what nodes owe',
      examples: ['!provider status'],
      role: 'member',
      kind: 'immediate',
      run: status,
    },
  ];
}

function choiceLines(
  { chosenBy, connected }: ProviderCommandDeps,
  owner: Call['owner']['publicKey'],
): readonly string[] {
  const chosen = chosenBy(owner);
  const others = connected(owner);
  const meaning =
    chosen === 'local'
      ? 'the backend’s own login pays'
      : chosen === 'routstr'
        ? 'ecash from the wallet pays'
        : (others.find(({ name }) => name === chosen)?.meaning ?? 'not connected, so local pays');
  const rest = ['local', 'routstr', ...others.map(({ name }) => name)].filter((name) => name !== chosen);
  return [`Provider: ${chosen} – ${meaning}. Others: ${rest.join(', ')} (!provider set).`];
}

/** What a paid run may cost, and where the money of paid runs is; also when the owner has chosen another provider. */
function moneyLines(deps: ProviderCommandDeps, owner: Call['owner']): readonly string[] {
  const { routstr, purse, settings, chosenBy, clock } = deps;
  const pays = chosenBy(owner.publicKey) === 'routstr';
  if (!hasWallet(purse)) return pays ? [noWallet] : ['Wallet: none.'];
  const means = meansOf(deps, owner);
  const provider = routstr.provider();
  const open = provider.paidRuns.open();
  const now = clock.now();
  const doubtful = open.filter((run) => isIn(run, 'needs_operator'));
  // What is kept is summed up with the rest.
  const others = open.filter((run) => !isIn(run, 'needs_operator', 'kept'));
  const model = means.model
    ? `${means.model.id}${servedFor(means.model.id, means.chosenModel)}, at least ${formatSat(means.model.minimum)} a run`
    : (means.chosenModel ?? 'the default of the configuration');
  const own = settings.get(owner.publicKey, 'dayLimit');
  const ownLimit =
    own === undefined
      ? []
      : [`Your own: ${formatSat(own)} a day; ${formatSat(routstr.usedToday(owner.publicKey))} of it used.`];
  return [
    `Node: ${nodeName(routstr.node())}`,
    ...(pays ? [`Model: ${model}`] : []),
    `${means.purseName}: ${formatSat(means.ready)} ready`,
    `Budget: ${formatSat(means.budget)} a run`,
    limitLine(routstr.dayLimit(), routstr.usedToday()),
    ...ownLimit,
    ...owedLines(provider.owed()),
    ...(others.length <= listed
      ? others.map((run) => `  ${openRunLine(run, now, owner)}`)
      : ['  !wallet pending lists the runs.']),
    ...doubtful
      .slice(0, listed)
      .map((run) =>
        troubleText(run, provider.paidRuns.evidence(run.id), now, owner, deps.nodes.operatorOf(run.node)),
      ),
    ...(doubtful.length > listed ? [`${doubtful.length - listed} more like this: !wallet pending.`] : []),
    ...(pays ? warningOf(means) : []),
  ];
}

function hasWallet(purse: ProviderCommandDeps['purse']): boolean {
  try {
    purse.wallet();
    return true;
  } catch (error) {
    if (error instanceof NoWalletError) return false;
    throw error;
  }
}
