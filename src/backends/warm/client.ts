import {
  createOpencodeClient,
  type OpencodeClient,
  type ProviderAuthMethod,
} from '@opencode-ai/sdk/v2/client';

export type Client = OpencodeClient;
/** A way to log in to a provider. */
export type LoginMethod = ProviderAuthMethod;

/** A server inside a jail as the bot reaches it. */
export type Connection = {
  readonly client: Client;
  /** The server's events as they come, one JSON text each, until the signal or the server ends it. */
  readonly events: (signal: AbortSignal) => AsyncGenerator<string>;
};

/** An event is as long as what a tool printed, which opencode bounds; one that is longer is no event of its. */
const longestEvent = 32 * 1024 * 1024;

/** The `data:` lines of a stream of server-sent events. */
async function* dataOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    const blocks = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
    rest = blocks.pop() ?? '';
    if (rest.length > longestEvent) throw new RangeError('an event of the server is too long');
    for (const block of blocks) if (block.startsWith('data:')) yield block.slice(5);
  }
}

/**
 * @param at the server's own address, or a descriptor of the socket that leads to it, which stays the caller's
 * @param directory in which its sessions work
 */
export const connect = (at: number | string, password: string, directory: string): Connection => {
  // The descriptor stays open while the server lives: what an agent puts at the socket's path is never connected to.
  const way = typeof at === 'number' ? { unix: `/proc/self/fd/${at}` } : {};
  const baseUrl = typeof at === 'number' ? 'http://jail' : at;
  const headers = { authorization: `Basic ${btoa(`opencode:${password}`)}` };
  const client = createOpencodeClient({
    ...{ baseUrl, directory, headers },
    // opencode answers a prompt when it is done, which takes as long as it takes.
    fetch: Object.assign((request: string | URL | Request) => fetch(request, { ...way, timeout: false }), {
      preconnect: fetch.preconnect,
    }),
  });
  async function* events(signal: AbortSignal): AsyncGenerator<string> {
    const response = await fetch(`${baseUrl}/global/event`, { headers, ...way, signal, timeout: false });
    if (!response.ok || response.body === null) throw new Error(`no events: status ${response.status}`);
    yield* dataOf(response.body);
  }
  return { client, events };
};
