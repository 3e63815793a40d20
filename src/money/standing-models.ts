import { createHash } from 'node:crypto';
import type { Meter, UsableModel } from '@nostr-dm-agent/routstr';
import type { StandingPayment } from '../backends/payment.ts';
import type { NodeModels, RoutstrCode } from './node-models.ts';

type Entries = Readonly<Record<string, unknown>>;

/** What an agent server that outlives its runs knows of a node's models. */
export type StandingModels = {
  /** For `provider.routstr.models` of its configuration. */
  readonly models: Entries;
  /** Changes when a server has to be started anew: a model came or went, or can do other things. Not with a price. */
  readonly name: string;
};

/** As many as `opencode.json` lists: a server reads its configuration as one variable. */
const mostKnown = 100;

/** @param code the models' entries are made by */
export function createStandingModels(code: Pick<RoutstrCode, 'chooseModels' | 'opencodeModel'>) {
  let last: { readonly from: NodeModels; readonly entries: Entries } | undefined;

  const entry = (model: UsableModel) => [model.id, code.opencodeModel(model)] as const;
  const entriesOf = (from: NodeModels): Entries => {
    if (last?.from !== from) {
      const chosen = code.chooseModels(from.usable, { most: mostKnown, include: [] });
      last = { from, entries: Object.fromEntries(chosen.map(entry)) };
    }
    return last.entries;
  };

  /** @param wanted what the owner's next run asks for: always among them */
  return (from: NodeModels | undefined, wanted: UsableModel | undefined): StandingModels => {
    const entries = from === undefined ? {} : entriesOf(from);
    const models =
      wanted === undefined || Object.hasOwn(entries, wanted.id)
        ? entries
        : { ...entries, ...Object.fromEntries([entry(wanted)]) };
    const abilities = JSON.stringify(models, (key, value) =>
      key === 'cost' || key === 'name' ? undefined : value,
    );
    return { models, name: createHash('sha256').update(abilities).digest('hex').slice(0, 12) };
  };
}

/**
 * A server whose calls are paid run by run, through a door of the meter.
 *
 * @param keepBudget makes a budget ahead for its next run, until what it gives is called
 */
export const standingPayment = (
  meter: Pick<Meter, 'openDoor'>,
  keepBudget: () => () => void,
  { models, name }: StandingModels,
): StandingPayment => ({
  payer: `routstr:${name}`,
  openDoor: (server, as) => {
    const door = meter.openDoor(as);
    // What is made ahead costs the fees of taking it back where no run follows.
    if (server === 'spare') return door;
    const release = keepBudget();
    return {
      ...door,
      close: () => {
        release();
        door.close();
      },
    };
  },
  payment: (door) => {
    if (door === undefined) throw new RangeError('a server that routstr pays for needs a door');
    const provider = { routstr: { options: { baseURL: door.baseUrl }, models } };
    return {
      credentials: 'provided',
      variables: { ROUTSTR_API_KEY: door.key },
      configuration: { enabled_providers: ['routstr'], provider },
    };
  },
});
