/*
 * Other nodes for a run whose node is down before it begins. An attempt at another node is made only when it is certain
 * that the one before has none of the run's money: nothing was sent there, or the token is back in the wallet.
 *
 *   node answers? ──no──► the next node that can take it, cheapest first
 *      │ yes
 *      ▼                                    reclaimed
 *   attempt 1: created ─► … ─► reclaim ─────────────────► settled ─► attempt 2, at the next node
 *                               └─ not yet known: refused; the money is looked after
 *
 * A finished attempt keeps its row, its evidence and its line of the ledger under a name of its own (`<run>~1`); the
 * run's own name is that of the attempt which counts. Each attempt has its own send key, so each has its own token.
 */

import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { MeterPrice } from '../meter/metered-run.ts';
import { createAbilitySource } from '../models/ability.ts';
import { minimumBudget, typicalTaskSat, type UsableModel, usableModels } from '../models/usable-models.ts';
import type { NodeUrl } from '../node/node-url.ts';
import type { MakeRoom } from './budget-rules.ts';
import { chooseMint } from './mint-match.ts';
import type { PaidNodes, PaidRunDeps } from './paid-run-deps.ts';

/** A node that can take a run. */
export type FallbackNode = {
  readonly url: NodeUrl;
  /** Of the run's model there. */
  readonly price: MeterPrice | undefined;
  readonly taskSat: number;
};
/** One that can't, and why. */
export type UnableNode = {
  readonly url: NodeUrl;
  readonly why: 'away' | 'no_model' | 'mint' | 'short' | 'minimum';
};

/** For one question; somebody waits. */
const answerMs = 8_000;

/** Whether a node answers at all. */
export async function answers(nodes: PaidNodes, node: NodeUrl, signal: AbortSignal): Promise<boolean> {
  return (await inTime((soon) => nodes.ask(node, soon), signal))?.state === 'ok';
}

/**
 * The nodes that can take the run now: they answer, have the model at a price that the budget is enough for, and take
 * money of a mint that has enough. Cheapest first; without a model in the order of the setting.
 */
export async function findFallbacks(
  run: { readonly model: string | undefined; readonly budget: Sat; readonly except: NodeUrl },
  { nodes, wallet, makeRoom }: Pick<PaidRunDeps, 'nodes' | 'wallet'> & { readonly makeRoom: MakeRoom },
  signal: AbortSignal,
): Promise<{ readonly able: readonly FallbackNode[]; readonly unable: readonly UnableNode[] }> {
  const urls = [...new Set(nodes.fallbacks())].filter((url) => url !== run.except);
  const looks = await Promise.all(urls.map((url) => look(url)));
  return {
    able: looks.filter((each) => 'taskSat' in each).toSorted((a, b) => a.taskSat - b.taskSat),
    unable: looks.filter((each) => 'why' in each),
  };

  async function look(url: NodeUrl): Promise<FallbackNode | UnableNode> {
    const [info, list] = await Promise.all([
      inTime((soon) => nodes.ask(url, soon), signal),
      run.model === undefined ? undefined : inTime((soon) => nodes.at(url).models(soon), signal),
    ]);
    if (info?.state !== 'ok') return { url, why: 'away' };
    await makeRoom(run.budget, url, signal);
    const mint = chooseMint(wallet, info.value.mints, run.budget);
    if (mint.state !== 'chosen') return { url, why: mint.state === 'none' ? 'mint' : 'short' };
    if (run.model === undefined) return { url, price: undefined, taskSat: 0 };
    if (list?.state !== 'ok') return { url, why: 'away' };
    const { usable } = usableModels(list.value.models, createAbilitySource());
    const model = sameModel(usable, run.model);
    if (model === undefined) return { url, why: 'no_model' };
    if (run.budget < sat(minimumBudget(model))) return { url, why: 'minimum' };
    return { url, price: { sat: model.sat, usd: model.usd }, taskSat: typicalTaskSat(model) };
  }
}

/**
 * A node answers to a model's name with or without its vendor and date, in any case (docs/node-protocol.md#models).
 */
const sameModel = (models: readonly UsableModel[], asked: string): UsableModel | undefined => {
  const plain = (id: string): string => id.toLowerCase().replace(/^.*\//, '');
  const wanted = plain(asked);
  return (
    models.find(({ id }) => plain(id) === wanted) ??
    models.find(({ id }) => plain(id) === wanted.replace(/-\d{8}$/, ''))
  );
};

/** Undefined: it took too long. */
async function inTime<T>(
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  const late = AbortSignal.timeout(answerMs);
  try {
    return await work(AbortSignal.any([signal, late]));
  } catch (error) {
    signal.throwIfAborted();
    if (late.aborted) return undefined;
    throw error;
  }
}
