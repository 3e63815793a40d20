import { isAddress, isLoopbackHost, isOutside } from '@nostr-dm-agent/kit/net';
import { z } from 'zod';
import type { Catalogue } from '../catalogue.ts';
import { looksLikeKey } from '../key-form.ts';

/** The SDKs inside opencode that a key and an address are enough for. Another one opencode would fetch and run. */
const sdks: ReadonlySet<string> = new Set(
  ['openai-compatible', 'openai', 'anthropic', 'google', 'mistral', 'groq', 'xai', 'cerebras', 'deepinfra']
    .concat('cohere', 'togetherai', 'perplexity')
    .map((name) => `@ai-sdk/${name}`)
    .concat('@openrouter/ai-sdk-provider'),
);

const count = z.int().min(1).max(100_000_000);
const price = z.number().min(0).max(1_000_000);
const media = z.array(z.enum(['text', 'audio', 'image', 'video', 'pdf'])).max(5);
/** A fact that can't be read is left out; the model is there all the same. */
const fact = <T extends z.ZodType>(shape: T) => shape.optional().catch(undefined);
const flag = fact(z.boolean());
const cached = price.optional().catch(undefined);

/** What is taken of a model. Without its own headers, options and addresses. */
const modelShape = z.object({
  name: fact(z.string()),
  limit: fact(z.object({ context: count, output: count })),
  cost: fact(z.object({ input: price, output: price, cache_read: cached, cache_write: cached })),
  ...{ tool_call: flag, reasoning: flag, attachment: flag, temperature: flag },
  modalities: fact(z.object({ input: media, output: media })),
});

/** A model, and how it is reached: what the agent's configuration says of it. */
const takenModelShape = modelShape.extend({
  /** Its name at the provider, where that is another. */
  id: z.string().optional(),
  provider: z.object({ npm: z.string(), api: z.string() }),
});

/**
 * What the bot takes of an announcement, kept with the key for it. Holds no text that opencode would replace
 * (`{env:…}`, `{file:…}`, `${…}`), no SDK but its own, and no address but of the web.
 */
export const announcedShape = z.object({
  /** Where it was announced, without a slash at its end. */
  url: z.string(),
  /** As it calls itself; for people, who are shown the host, too. */
  name: z.string().optional(),
  models: z.record(z.string(), takenModelShape),
  /** Its default model. */
  model: z.string(),
});
export type Announced = z.infer<typeof announcedShape>;

/** Why a provider of an announcement is not taken: it says nothing that a key and an address would do for. */
export type NotTaken = {
  /** Its id there; undefined: one that is not repeated. */
  readonly id: string | undefined;
  readonly why: 'id' | 'sdk' | 'address' | 'key' | 'headers' | 'models';
};

/** What was found at an address. */
export type Announcement = {
  readonly announced: Announced;
  /** What opencode would run to get the key, in the words of a POSIX shell; undefined: it can't be shown. */
  readonly command: string | undefined;
  readonly notTaken: readonly NotTaken[];
  /** Its other settings, none of which are taken. */
  readonly otherSettings: readonly string[];
};

export type ReadAnnouncement =
  | ({ readonly state: 'good' } & Announcement)
  /** `form`: it is no announcement. `later`: what it would announce is behind its login. `nothing`: nothing can be taken. */
  | {
      readonly state: 'bad';
      readonly why: 'form' | 'later' | 'nothing';
      readonly notTaken: readonly NotTaken[];
    };

const announcementShape = z.object({
  auth: z.object({
    command: z.array(z.string()).min(1),
    env: z.string().regex(/^[A-Za-z_]\w{0,99}$/),
  }),
  config: z
    .looseObject({
      model: z.string().optional().catch(undefined),
      provider: z.record(z.string(), z.unknown()).optional().catch(undefined),
    })
    .optional(),
  remote_config: z.unknown().optional(),
});

const providerShape = z.object({
  npm: z.string().optional(),
  name: z.string().optional().catch(undefined),
  api: z.string().optional(),
  options: z
    .object({
      baseURL: z.string().optional(),
      apiKey: z.string().optional(),
      headers: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
  models: z.record(z.string(), z.unknown()).optional(),
});
/** What would send it elsewhere, or with more than the key. */
const modelWays = z.object({
  id: z.string().optional(),
  status: z.string().optional(),
  headers: z.record(z.string(), z.unknown()).optional(),
  provider: z.unknown().optional(),
});

const mostModels = 200;
const longestCommand = 400;
const idShape = /^[a-z0-9][\w.-]{0,39}$/i;
const modelIdShape = /^[a-z0-9][\w.:@~+-]*(?:\/[\w.:@~+-]+)*$/i;
const longestModelId = 120;
const mostSettings = 8;

export type AnnouncementRules = {
  readonly catalogue: Pick<Catalogue, 'get'>;
  /** This machine may announce itself (tests and the sandbox). */
  readonly allowLoopback: boolean;
};

/**
 * Reads what an address announces as opencode's `wellknown` providers do (`/.well-known/opencode`). Whoever wrote it is a
 * stranger: opencode itself would run its command, load its plugins, and let it send keys and files elsewhere. Of all that
 * only the models and where they are is taken, each checked; the rest is named, and stays where it is.
 * @param url where it was found
 */
export function readAnnouncement(url: string, found: unknown, rules: AnnouncementRules): ReadAnnouncement {
  const parsed = announcementShape.safeParse(found);
  if (!parsed.success) return { state: 'bad', why: 'form', notTaken: [] };
  const { auth, config = {}, remote_config: later } = parsed.data;
  const providers = Object.entries(config.provider ?? {});
  const read = providers.map(([id, provider]) => readProvider(id, provider, auth.env, rules));
  const notTaken = read.filter((each): each is NotTaken => 'why' in each);
  const taken = read.filter((each): each is Taken => !('why' in each));
  /** Several are one here, and their models are told apart by where they are from. */
  const models = taken.flatMap((provider) =>
    provider.models.map((model) => ({
      ...model,
      at: taken.length === 1 ? model.at : `${provider.id}/${model.at}`,
      asked: `${provider.id}/${model.at}`,
    })),
  );
  const usable = models.filter(({ settings }) => settings.tool_call !== false);
  const first = usable.find(({ asked }) => asked === config.model) ?? usable[0];
  if (first === undefined) {
    const isLater = later !== undefined && providers.length === 0;
    return { state: 'bad', why: isLater ? 'later' : 'nothing', notTaken };
  }
  const kept = [first, ...models.filter((model) => model !== first)].slice(0, mostModels);
  const announced: Announced = {
    url,
    ...withName(taken[0]?.name),
    model: first.at,
    models: Object.fromEntries(
      kept.map(({ at, id, settings }) => [at, { ...settings, ...(at === id ? {} : { id }) }]),
    ),
  };
  const settings = Object.keys(config).filter((name) => !['$schema', 'provider', 'model'].includes(name));
  return {
    state: 'good',
    announced,
    command: shown(auth.command),
    notTaken,
    otherSettings: settings.filter((name) => /^[a-z_]{1,30}$/.test(name)).slice(0, mostSettings),
  };
}

type Taken = {
  readonly id: string;
  readonly name: string | undefined;
  readonly models: readonly {
    readonly at: string;
    /** At the provider. */
    readonly id: string;
    readonly settings: z.infer<typeof takenModelShape>;
  }[];
};

function readProvider(
  id: string,
  found: unknown,
  variable: string,
  { catalogue, allowLoopback }: AnnouncementRules,
): Taken | NotTaken {
  if (!idShape.test(id)) return { id: undefined, why: 'id' };
  const parsed = providerShape.safeParse(found);
  if (!parsed.success) return { id, why: 'models' };
  const { npm: asked, name, api, options = {}, models = {} } = parsed.data;
  const known = catalogue.get(id);
  const npm = asked ?? known?.npm;
  if (npm === undefined || !sdks.has(npm)) return { id, why: 'sdk' };
  const address = readAddress(options.baseURL ?? api, allowLoopback);
  if (address === undefined) return { id, why: 'address' };
  if (options.apiKey !== undefined && options.apiKey !== `{env:${variable}}`) return { id, why: 'key' };
  if (Object.keys(options.headers ?? {}).length > 0) return { id, why: 'headers' };
  const provider = { npm, api: address };
  const own = Object.entries(models).flatMap(([at, model]) => readModel(at, model, provider));
  // One that opencode knows may leave its models to it.
  const usual =
    Object.keys(models).length === 0 && known?.model !== undefined
      ? [{ at: known.model, id: known.model, settings: { provider } }]
      : own;
  return usual.length === 0 ? { id, why: 'models' } : { id, name, models: usual };
}

function readModel(at: string, found: unknown, provider: { readonly npm: string; readonly api: string }) {
  const ways = modelWays.safeParse(found);
  if (!isModelId(at) || !ways.success) return [];
  const { id = at, status, headers = {}, provider: other } = ways.data;
  if (!isModelId(id) || status === 'deprecated') return [];
  if (other !== undefined || Object.keys(headers).length > 0) return [];
  const { name, ...settings } = modelShape.parse(found);
  return [{ at, id, settings: { ...settings, ...withName(name), provider } }];
}

const isModelId = (text: string): boolean => text.length <= longestModelId && modelIdShape.test(text);

/** The address of an API; undefined: it is none that an agent with the usual reach could be sent to. */
function readAddress(text: string | undefined, allowLoopback: boolean): string | undefined {
  const url = text === undefined || text.length > 300 ? null : URL.parse(text);
  // Braces: opencode puts variables and files in their place.
  if (url === null || /[{}$\s]/.test(text ?? '') || url.username !== '' || url.password !== '')
    return undefined;
  if (url.search !== '' || url.hash !== '') return undefined;
  const here = allowLoopback && isLoopbackHost(url.hostname);
  // Behind the jail's wall another port is nobody's, and a literal address proves no name.
  const outside = url.protocol === 'https:' && url.port === '' && isName(url.hostname);
  return here || outside ? url.href.replace(/\/+$/, '') : undefined;
}

const isName = (host: string): boolean => !isAddress(host) && isOutside(host) && !/\.onion\.?$/i.test(host);

/** Without what could be taken for something else. */
const withName = (text: string | undefined): { readonly name?: string } => {
  const name = (text ?? '')
    .replace(/[^\p{L}\p{N} ._+()&-]/gu, '')
    .trim()
    .slice(0, 40)
    .trim();
  return name === '' ? {} : { name };
};

/** Each word as a shell would read it; undefined: it is too long for a message, or holds what can't be seen. */
function shown(command: readonly string[]): string | undefined {
  const text = command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
  return text.length <= longestCommand && /^[\x20-\x7e]+$/.test(text) ? text : undefined;
}

/** What a word of an owner's means that names an address which announces its provider. */
export type AnnouncerAddress = {
  readonly url: string;
  /** Of the connection: the host, and a port that is not the usual one. */
  readonly id: string;
};

/**
 * Reads `https://corp.example` or `corp.example`. undefined: it is neither.
 * `refused`: an address that is not asked, whatever is there.
 */
export function readAnnouncer(
  word: string,
  allowLoopback: boolean,
): AnnouncerAddress | { readonly refused: 'plain' | 'host' | 'more' } | undefined {
  const written = /^https?:\/\//i.test(word);
  if (!written && !looksLikeHost(word, allowLoopback)) return undefined;
  const local = /^(?:127\.[\d.]+|localhost)(?::|$)/i.test(word);
  const url = URL.parse(written ? word : `${local ? 'http' : 'https'}://${word}`);
  if (url === null) return { refused: 'host' };
  const here = allowLoopback && isLoopbackHost(url.hostname);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    return { refused: 'more' };
  if (!/^\/+(?:\.well-known\/opencode\/*)?$/.test(url.pathname)) return { refused: 'more' };
  if (url.protocol !== 'https:' && !here) return { refused: 'plain' };
  if (!here && !isName(url.hostname)) return { refused: 'host' };
  const id = url.host.replace(/\.(?=:|$)/, '');
  return { url: `${url.protocol}//${id}`, id };
}

/** A word with a dot may be a key that was sent without its provider: no name server is to be asked about that. */
export const looksLikeHost = (word: string, allowLoopback: boolean): boolean =>
  word.length <= 40 &&
  !looksLikeKey(word) &&
  word.slice(1) === word.slice(1).toLowerCase() &&
  (/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}(?::\d{1,5})?$/i.test(word) ||
    (allowLoopback && /^(?:127(?:\.\d{1,3}){3}|localhost):\d{1,5}$/i.test(word)));
