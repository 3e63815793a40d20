import type { Clock } from '@nostr-dm-agent/kit/clock';
import { readFileIfThere, writeFileAtomically } from '@nostr-dm-agent/kit/files';
import { parseJson } from '@nostr-dm-agent/kit/json';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { z } from 'zod';
import type { NodeClient } from './node-client.ts';
import type { NodeUrl } from './node-url.ts';
import type { Answer, NodeInfo } from './outcomes.ts';

/** What nodes say about themselves (`/v1/info`), kept on disk: a run that begins does not wait for it. */
export type NodeInfoCache = {
  /** At once, from memory or disk; asked for behind when there is nothing, or it is a day old. */
  readonly known: (node: NodeUrl) => NodeInfo | undefined;
  /** Asks the node now, and keeps what it says. */
  readonly ask: (node: NodeUrl, signal: AbortSignal) => Promise<Answer<NodeInfo>>;
  /** Ends what is asked behind. */
  readonly close: () => Promise<void>;
};

export type NodeInfoCacheOptions = {
  readonly path: string;
  readonly nodeAt: (node: NodeUrl) => Pick<NodeClient, 'nodeInfo'>;
  readonly clock: Clock;
  readonly log: Logger;
};

const freshMs = 24 * 3_600_000;
/** Between two times that one node is asked behind. */
const spacingMs = 60_000;
/** A node decides how much it says; this much of it is kept. */
const most = { nodes: 50, mints: 50, text: 300 };

const text = z.string().transform((value) => value.slice(0, most.text));
const entrySchema = z.object({
  fetchedAt: z.number(),
  name: text.optional(),
  version: text.optional(),
  npub: text.optional(),
  mints: z.array(z.string()),
});
const fileSchema = z.object({ version: z.literal(1), nodes: z.record(z.string(), entrySchema) });
type Entry = z.infer<typeof entrySchema>;

export function createNodeInfoCache({ path, nodeAt, clock, log }: NodeInfoCacheOptions): NodeInfoCache {
  const ending = new AbortController();
  const asking = new Map<NodeUrl, Promise<void>>();
  const lastAsked = new Map<NodeUrl, number>();
  let entries: Map<string, Entry> | undefined;

  const all = (): Map<string, Entry> => {
    // A damaged file counts as absent: everything in it can be asked for again.
    entries ??= new Map(
      Object.entries(fileSchema.safeParse(parseJson(readFileIfThere(path) ?? '')).data?.nodes ?? {}),
    );
    return entries;
  };

  const ask: NodeInfoCache['ask'] = async (node, signal) => {
    lastAsked.set(node, clock.now());
    const answer = await nodeAt(node).nodeInfo(signal);
    if (answer.state !== 'ok') return answer;
    const { mints } = answer.value;
    const said = {
      ...answer.value,
      mints: mints.filter(({ length }) => length <= most.text).slice(0, most.mints),
    };
    all().set(node, entrySchema.parse({ fetchedAt: clock.now(), ...said }));
    const newest = [...all()].sort(([, a], [, b]) => b.fetchedAt - a.fetchedAt).slice(0, most.nodes);
    entries = new Map(newest);
    writeFileAtomically(path, `${JSON.stringify({ version: 1, nodes: Object.fromEntries(newest) })}\n`);
    return { state: 'ok', value: said };
  };

  const askBehind = (node: NodeUrl): void => {
    const last = lastAsked.get(node);
    if (ending.signal.aborted || asking.has(node)) return;
    if (last !== undefined && clock.now() - last < spacingMs) return;
    const done = ask(node, ending.signal)
      .then(
        (answer) => {
          if (answer.state !== 'ok')
            log.info({ node, evidence: answer.evidence }, 'a node says nothing of itself');
        },
        (error: unknown) => {
          if (!ending.signal.aborted) log.warn({ node, error }, 'what a node says could not be kept');
        },
      )
      .finally(() => asking.delete(node));
    asking.set(node, done);
  };

  return {
    known: (node) => {
      const entry = all().get(node);
      const age = entry === undefined ? undefined : clock.now() - entry.fetchedAt;
      // A clock that was set back makes ages negative.
      if (age === undefined || age < 0 || age > freshMs) askBehind(node);
      return entry && { name: entry.name, version: entry.version, npub: entry.npub, mints: entry.mints };
    },
    ask,
    close: async () => {
      ending.abort();
      await Promise.all(asking.values());
    },
  };
}
