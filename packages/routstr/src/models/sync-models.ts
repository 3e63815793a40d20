import { readFileIfThere, writeFileAtomically } from '@nostr-dm-agent/kit/files';
import { getNodeValue, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import type { NodeUrl } from '../node/node-url.ts';
import { setValue, valueAt } from './json-edit.ts';
import { cheapestSmallModel, type OpencodeModel, opencodeModel, type UsableModel } from './usable-models.ts';

/** The text is no JSON (with comments) object; nothing was written. */
export class OpencodeConfigError extends Error {
  override readonly name = 'OpencodeConfigError';
  readonly problem: string;
  /** 1-based; undefined when the text as a whole is the problem. */
  readonly line: number | undefined;
  constructor(problem: string, line: number | undefined) {
    super(`opencode.json: ${problem}${line === undefined ? '' : ` in line ${line}`}`);
    this.problem = problem;
    this.line = line;
  }
}

/** Somebody else wrote the file again and again while it was being merged. */
export class OpencodeConfigBusyError extends Error {
  override readonly name = 'OpencodeConfigBusyError';
  readonly path: string;
  constructor(path: string) {
    super(`${path} keeps changing`);
    this.path = path;
  }
}

export type SyncRequest = {
  readonly node: NodeUrl;
  /** The models that `opencode.json` is to list. */
  readonly models: readonly UsableModel[];
};

export type SyncResult = {
  readonly changed: boolean;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Models that the file refers to (`model`, an agent's `model`, …) and the node no longer has; their entries stay. */
  readonly missing: readonly string[];
  /** With its provider: `routstr/…`. */
  readonly smallModel: string | undefined;
};

const provider = 'routstr';
const blockPath = ['provider', provider];

/**
 * The text of an `opencode.json` with its `provider.routstr` block brought up to date: `models` is replaced (what
 * somebody added to an entry that stays is kept), `options.baseURL` set, the rest of the block filled in where it is
 * absent. `small_model` is set when it is absent, or ours and gone. Everything else stays byte for byte.
 *
 * @throws OpencodeConfigError
 */
export function mergeModels(text: string, request: SyncRequest): SyncResult & { readonly text: string } {
  const bom = text.startsWith('\uFEFF') ? '\uFEFF' : '';
  let current = text.slice(bom.length);
  if (current.trim() === '') current = '{}\n';
  const before = readConfig(current);
  const set = (path: readonly string[], value: unknown): void => {
    if (Bun.deepEquals(valueAt(current, path), value, true)) return;
    current = setValue(current, path, value);
  };

  const old = objectAt(current, [...blockPath, 'models']);
  const fresh = new Map(request.models.map((model) => [model.id, opencodeModel(model)]));
  const missing = referenced(before).filter((id) => !fresh.has(id));
  const models = mergeEntries(old, fresh, missing);

  const fill = (path: readonly string[], value: unknown): void => {
    if (valueAt(current, path) === undefined) set(path, value);
  };
  fill([...blockPath, 'npm'], '@ai-sdk/openai-compatible');
  fill([...blockPath, 'name'], 'Routstr');
  set([...blockPath, 'options', 'baseURL'], request.node);
  fill([...blockPath, 'options', 'apiKey'], '{env:ROUTSTR_API_KEY}');
  fill([...blockPath, 'options', 'includeUsage'], true);
  set([...blockPath, 'models'], models);

  const smallModel = chooseSmallModel(valueAt(current, ['small_model']), request.models);
  if (smallModel !== undefined) set(['small_model'], smallModel);

  readConfig(current);
  const result = bom + current;
  const isNew = (id: string): boolean => !Object.hasOwn(old, id);
  return {
    text: result,
    changed: result !== text,
    added: Object.keys(models).filter(isNew),
    removed: Object.keys(old).filter((id) => !Object.hasOwn(models, id)),
    missing,
    smallModel,
  };
}

/**
 * Merges into the file at `path`, at once or not at all. A file that is absent is made (0600).
 *
 * @throws OpencodeConfigError, OpencodeConfigBusyError
 */
export function syncModelsFile(path: string, request: SyncRequest): SyncResult {
  for (let attempt = 0; attempt < 5; attempt++) {
    const text = readFileIfThere(path);
    const { text: merged, ...result } = mergeModels(text ?? '', request);
    if (merged === text) return result;
    if (readFileIfThere(path) !== text) continue;
    writeFileAtomically(path, merged);
    return result;
  }
  throw new OpencodeConfigBusyError(path);
}

/** Fresh facts over what was there; entries that are gone are dropped unless the file still refers to them. */
function mergeEntries(
  old: Readonly<Record<string, unknown>>,
  fresh: ReadonlyMap<string, OpencodeModel>,
  keep: readonly string[],
): Record<string, unknown> {
  const kept = keep.filter((id) => Object.hasOwn(old, id)).map((id) => [id, old[id]] as const);
  const renewed = Array.from(fresh, ([id, entry]) => {
    const previous = Object.hasOwn(old, id) ? old[id] : undefined;
    const { cost: _, ...extra } = isObject(previous) ? previous : {};
    return [id, { ...extra, ...entry }] as const;
  });
  // What was listed stays where it was, so that a sync without news changes nothing.
  const order = new Map(Object.keys(old).map((id, index) => [id, index]));
  const position = (id: string): number => order.get(id) ?? order.size;
  return Object.fromEntries([...renewed, ...kept].sort(([a], [b]) => position(a) - position(b)));
}

/** Undefined: leave it as it is. */
function chooseSmallModel(current: unknown, models: readonly UsableModel[]): string | undefined {
  if (typeof current === 'string') {
    const id = ownModel(current);
    if (id === undefined) return undefined;
    if (models.some((model) => model.id === id)) return current;
  } else if (current !== undefined) return undefined;
  const cheapest = cheapestSmallModel(models);
  return cheapest && `${provider}/${cheapest.id}`;
}

const ownModel = (text: string): string | undefined =>
  text.startsWith(`${provider}/`) ? text.slice(provider.length + 1) : undefined;

/** Ids of our models that the configuration names as the ones to use; `small_model` is ours to move. */
function referenced(config: Readonly<Record<string, unknown>>): readonly string[] {
  const agents = ['agent', 'mode', 'command'].flatMap((key) => Object.values(asObject(config[key])));
  const named = [config.model, ...agents.map((agent) => asObject(agent).model)];
  const ids = named.map((name) => (typeof name === 'string' ? ownModel(name) : undefined));
  return [...new Set(ids.filter((id) => id !== undefined))];
}

const parseOptions = { allowTrailingComma: true, allowEmptyContent: false };

function readConfig(text: string): Readonly<Record<string, unknown>> {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, parseOptions);
  const [error] = errors;
  if (error) {
    const line = text.slice(0, error.offset).split('\n').length;
    throw new OpencodeConfigError(printParseErrorCode(error.error), line);
  }
  if (root?.type !== 'object') throw new OpencodeConfigError('not an object', undefined);
  const config = asObject(getNodeValue(root));
  for (const path of [['provider'], blockPath, [...blockPath, 'options'], [...blockPath, 'models']]) {
    const value = valueAt(text, path);
    if (value !== undefined && !isObject(value)) {
      throw new OpencodeConfigError(`${path.join('.')} is not an object`, undefined);
    }
  }
  return config;
}

const objectAt = (text: string, path: readonly string[]): Record<string, unknown> =>
  asObject(valueAt(text, path));
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const asObject = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {});
