import type { PassThrough } from 'node:stream';
import {
  type AnyMessage,
  type ClientContext,
  client,
  methods,
  PROTOCOL_VERSION,
} from '@agentclientprotocol/sdk';
import { z } from 'zod';
import { type AcpUpdate, acpUpdate, type PermissionAsk, permissionAsk } from './messages.ts';

/** What an agent says of itself, as far as it is used. */
const initialized = z.object({
  agentInfo: z.object({ name: z.string(), version: z.string() }).partial().nullish(),
  agentCapabilities: z
    .object({
      loadSession: z.boolean().nullish(),
      sessionCapabilities: z.object({ resume: z.unknown() }).partial().nullish(),
    })
    .nullish(),
});
const session = z.object({
  sessionId: z.string().min(1).max(300),
  modes: z
    .object({ availableModes: z.array(z.object({ id: z.string() })) })
    .nullish()
    .catch(undefined),
});
const update = z.object({ method: z.literal('session/update'), params: z.unknown() });
const notification = z.object({ update: acpUpdate });
/** Looked at by ourselves. */
const anything = z.unknown();
const stopped = z.object({ stopReason: z.string() });

/** The bot's side of a conversation with one agent. What the agent sends is looked at before it is used. */
export type AcpConnection = {
  readonly receive: (line: string) => 'heard' | 'not understood';
  /** The agent has ended: what is asked of it fails. */
  readonly closed: () => void;
  readonly initialize: (authenticate: string | undefined) => Promise<{
    readonly resumes: 'resume' | 'load' | 'no';
  }>;
  readonly newSession: (cwd: string) => Promise<OpenSession>;
  /** A conversation of an earlier process. With `load` the agent tells all of it again. */
  readonly continueSession: (how: 'resume' | 'load', cwd: string, id: string) => Promise<OpenSession>;
  readonly setMode: (session: string, mode: string) => Promise<void>;
  readonly prompt: (session: string, text: string) => Promise<string>;
  readonly cancel: (session: string) => Promise<void>;
};
type OpenSession = { readonly id: string; readonly modes: readonly string[] };

/** @param input what the agent reads */
export function connectAcp(
  input: PassThrough,
  on: {
    readonly update: (update: AcpUpdate) => void;
    /** The id of the chosen option; undefined: none, the agent gives up what it asked for. */
    readonly ask: (ask: PermissionAsk) => Promise<string | undefined>;
  },
): AcpConnection {
  let incoming: ReadableStreamDefaultController<AnyMessage> | undefined;
  const readable = new ReadableStream<AnyMessage>({
    start: (controller) => {
      incoming = controller;
    },
  });
  const writable = new WritableStream<AnyMessage>({
    write: (message) => void input.write(`${JSON.stringify(message)}\n`),
  });
  const { client: asked, agent: asks } = methods;
  const app = client({ name: 'nostr-dm-agent' })
    .onRequest(asked.session.requestPermission, anything, async ({ params }) => {
      const ask = permissionAsk.safeParse(params);
      const optionId = ask.success ? await on.ask(ask.data) : undefined;
      return {
        outcome:
          optionId === undefined
            ? { outcome: 'cancelled' as const }
            : { outcome: 'selected' as const, optionId },
      };
    })
    // Some tell of an edit that they have made here, although the capability is said to be missing. Nothing is written.
    .onRequest(asked.fs.writeTextFile, async () => ({}));
  const { agent }: { agent: ClientContext } = app.connect({ readable, writable });
  const opened = (answer: unknown, id: string | undefined): OpenSession => {
    const { sessionId, modes } = session.parse({
      ...(id === undefined ? {} : { sessionId: id }),
      ...Object(answer),
    });
    return { id: sessionId, modes: modes?.availableModes.map((mode) => mode.id) ?? [] };
  };

  return {
    receive: (line) => {
      const message = rpcMessage(line);
      if (message === undefined) return 'not understood';
      const told = update.safeParse(message);
      if (told.success) {
        // Not by the SDK, which writes to the terminal what it does not understand.
        const said = notification.safeParse(told.data.params);
        if (said.success) on.update(said.data.update);
        return said.success ? 'heard' : 'not understood';
      }
      incoming?.enqueue(message);
      return 'heard';
    },
    closed: () => {
      try {
        incoming?.close();
      } catch {
        // Closed before, by the other side.
      }
      incoming = undefined;
    },
    initialize: async (authenticate) => {
      const clientCapabilities = {
        fs: { readTextFile: false, writeTextFile: false },
        terminal: false,
        session: { notices: {} },
      };
      const answer = initialized.parse(
        await agent.request(asks.initialize, { protocolVersion: PROTOCOL_VERSION, clientCapabilities }),
      );
      if (authenticate !== undefined) await agent.request(asks.authenticate, { methodId: authenticate });
      const { loadSession, sessionCapabilities } = answer.agentCapabilities ?? {};
      if (sessionCapabilities?.resume != null) return { resumes: 'resume' };
      return { resumes: loadSession === true ? 'load' : 'no' };
    },
    newSession: async (cwd) =>
      opened(await agent.request(asks.session.new, { cwd, mcpServers: [] }), undefined),
    continueSession: async (how, cwd, sessionId) => {
      const given = { cwd, sessionId, mcpServers: [] };
      const answer =
        how === 'load'
          ? await agent.request(asks.session.load, given)
          : await agent.request(asks.session.resume, given);
      return opened(answer, sessionId);
    },
    setMode: async (sessionId, modeId) => {
      await agent.request(asks.session.setMode, { sessionId, modeId });
    },
    prompt: async (sessionId, text) =>
      stopped.parse(await agent.request(asks.session.prompt, { sessionId, prompt: [{ type: 'text', text }] }))
        .stopReason,
    cancel: (sessionId) => agent.notify(asks.session.cancel, { sessionId }),
  };
}

const rpc = z.looseObject({ jsonrpc: z.literal('2.0') });

/** One line of JSON-RPC; the SDK checks what is in it. */
function rpcMessage(line: string): AnyMessage | undefined {
  try {
    const parsed: unknown = JSON.parse(line);
    return rpc.safeParse(parsed).success ? (parsed as AnyMessage) : undefined;
  } catch {
    return undefined;
  }
}
