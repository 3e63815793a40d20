import { z } from 'zod';

/** A line as it crosses: a question, its answer, that it is not waited for any more, or a word that wants no answer. */
const frame = z.discriminatedUnion('t', [
  z.object({ t: z.literal('call'), id: z.int(), name: z.string(), body: z.unknown() }),
  z.object({ t: z.literal('done'), id: z.int(), body: z.unknown() }),
  z.object({ t: z.literal('fail'), id: z.int(), message: z.string() }),
  z.object({ t: z.literal('cancel'), id: z.int() }),
  z.object({ t: z.literal('tell'), name: z.string(), body: z.unknown() }),
]);
type Frame = z.infer<typeof frame>;

/** The other side could not do what it was asked. */
export class PeerCallError extends Error {
  override readonly name = 'PeerCallError';
}
/** There is no other side any more. */
export class PeerGoneError extends Error {
  override readonly name = 'PeerGoneError';
}

export type PeerHandlers = {
  /** @param signal aborted when nobody waits for the answer any more. What is thrown is told by its message. */
  readonly calls: Readonly<Record<string, (body: unknown, signal: AbortSignal) => Promise<unknown>>>;
  readonly tells: Readonly<Record<string, (body: unknown) => void>>;
  /** A line that is none, or a word that nobody knows. */
  readonly onNonsense: (what: string) => void;
};

/** So many of the other side's questions are worked on at once. */
const mostCalls = 200;

export type Peer = {
  /** One line that came. */
  readonly take: (line: string) => void;
  /**
   * Asks. An aborted signal tells the other side, whose answer is still waited for: it has something to bring to an end.
   * @throws PeerCallError, PeerGoneError
   */
  readonly call: (name: string, body: unknown, signal?: AbortSignal) => Promise<unknown>;
  readonly tell: (name: string, body: unknown) => void;
  /** Nothing comes any more: who waits is told, and what was being worked on is given up. */
  readonly close: () => void;
};

/** One side of a conversation in lines of JSON, both of which ask and answer. What comes is whatever somebody sent. */
export const createPeer = (send: (line: string) => void, handlers: PeerHandlers): Peer => {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const working = new Map<number, AbortController>();
  let next = 1;
  let closed = false;
  const write = (message: Frame): void => {
    if (!closed) send(JSON.stringify(message));
  };

  const work = async (id: number, name: string, body: unknown): Promise<void> => {
    const controller = new AbortController();
    const handler = Object.hasOwn(handlers.calls, name) ? handlers.calls[name] : undefined;
    if (handler === undefined || working.has(id) || working.size >= mostCalls)
      return write({ t: 'fail', id, message: `${name} is not answered` });
    working.set(id, controller);
    try {
      write({ t: 'done', id, body: (await handler(body, controller.signal)) ?? null });
    } catch (error) {
      write({ t: 'fail', id, message: error instanceof Error ? error.message : String(error) });
    } finally {
      working.delete(id);
    }
  };

  const take = (line: string): void => {
    let parsed: ReturnType<typeof frame.safeParse>;
    try {
      parsed = frame.safeParse(JSON.parse(line));
    } catch {
      handlers.onNonsense('a line that is no JSON');
      return;
    }
    if (!parsed.success) {
      handlers.onNonsense('a line of another kind');
      return;
    }
    const message = parsed.data;
    switch (message.t) {
      case 'call':
        void work(message.id, message.name, message.body);
        return;
      case 'cancel':
        working.get(message.id)?.abort();
        return;
      case 'tell': {
        const handler = Object.hasOwn(handlers.tells, message.name)
          ? handlers.tells[message.name]
          : undefined;
        try {
          if (handler === undefined) handlers.onNonsense(`the word ${message.name.slice(0, 40)}`);
          else handler(message.body);
        } catch (error) {
          handlers.onNonsense(error instanceof Error ? error.message : String(error));
        }
        return;
      }
      default: {
        const asked = waiting.get(message.id);
        waiting.delete(message.id);
        if (message.t === 'done') asked?.resolve(message.body);
        else asked?.reject(new PeerCallError(message.message));
      }
    }
  };

  return {
    take,
    tell: (name, body) => write({ t: 'tell', name, body }),
    call: async (name, body, signal) => {
      if (closed) throw new PeerGoneError('nobody is there');
      const id = next++;
      const asked = Promise.withResolvers<unknown>();
      waiting.set(id, asked);
      write({ t: 'call', id, name, body });
      const cancel = (): void => write({ t: 'cancel', id });
      signal?.addEventListener('abort', cancel, { once: true });
      if (signal?.aborted) cancel();
      try {
        return await asked.promise;
      } finally {
        signal?.removeEventListener('abort', cancel);
      }
    },
    close: () => {
      closed = true;
      for (const controller of working.values()) controller.abort();
      for (const asked of waiting.values()) asked.reject(new PeerGoneError('the connection ended'));
      waiting.clear();
    },
  };
};
