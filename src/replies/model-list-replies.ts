import { sat } from '@nostr-dm-agent/kit/sat';
import type { SyncResult } from '@nostr-dm-agent/routstr';
import { minimumBudget, typicalTaskSat, type UsableModel } from '@nostr-dm-agent/routstr';
import { formatAgo, plural } from './format.ts';
import { nodeName } from './provider-replies.ts';

/** A node's models, cheapest first. */
type NodeModels = {
  readonly node: string;
  readonly usable: readonly UsableModel[];
  readonly unusable: number;
  readonly fetchedAt: number;
  readonly stale: boolean;
};

/** More lines than these do not help anybody on a phone. */
const listed = 30;
const named = 8;

const digits = (count: number): string => count.toLocaleString('en-US');

/** `claude-sonnet-4.5 · 135 · 642 · 200k`: id, sat for a typical task, least budget in sat, context. */
const modelLine = (model: UsableModel, current: string | undefined): string =>
  [
    model.id,
    digits(sat(Math.ceil(typicalTaskSat(model)))),
    digits(sat(minimumBudget(model))),
    `${Math.round(model.limit.context / 1000)}k${model.id === current ? ' ← current' : ''}`,
  ].join(' · ');

/** `!provider models [filter]`. `current`: the id of the model in use. */
export function modelsText(
  models: NodeModels,
  filter: string,
  current: string | undefined,
  now: number,
): string {
  const wanted = filter.toLowerCase().split(/\s+/);
  const found = models.usable.filter(({ id, name }) =>
    wanted.every((word) => `${id} ${name}`.toLowerCase().includes(word)),
  );
  const age = ageOf(models, now);
  if (found.length === 0) {
    return filter === ''
      ? `${nodeName(models.node)} has no model that an agent can use.${age}`
      : `No model of ${nodeName(models.node)} matches “${filter}”. !provider models lists all ${models.usable.length}.${age}`;
  }
  const example = found.find(({ id }) => id !== current) ?? found[0];
  const rest = found.length - listed;
  return [
    'Model · a typical task, sat · least budget, sat · context',
    ...found.slice(0, listed).map((model) => modelLine(model, current)),
    ...(rest > 0 ? [`… and ${rest} more: !provider models <filter>`] : []),
    `${plural(found.length, 'model')}, the cheapest first.${age} Choose one with !model routstr/${example?.id}`,
  ].join('\n');
}

const ageOf = ({ stale, fetchedAt }: NodeModels, now: number): string =>
  stale ? ` The node is away; these are its prices of ${formatAgo(now - fetchedAt)}.` : '';

/** `!provider sync-models`. */
export function syncText(synced: NodeModels & { readonly result: SyncResult }, now: number): string {
  const { node, usable, unusable, result } = synced;
  const list = (title: string, ids: readonly string[]): readonly string[] =>
    ids.length === 0
      ? []
      : [
          `${title}: ${ids.slice(0, named).join(', ')}${ids.length > named ? ` and ${ids.length - named} more` : ''}`,
        ];
  return [
    `${plural(usable.length, 'model')} of ${nodeName(node)} an agent can use (${unusable} others it cannot).${ageOf(synced, now)}`,
    ...(result.changed ? [] : ['opencode.json has them already.']),
    ...list('Added', result.added),
    ...list('Removed', result.removed),
    ...list('Named in opencode.json, and gone from the node', result.missing),
    ...(result.smallModel === undefined ? [] : [`Titles are written by ${result.smallModel}.`]),
  ].join('\n');
}
