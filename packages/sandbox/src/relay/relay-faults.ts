import type { ServerWebSocket } from 'bun';
import type { RelayClient } from './relay-types.ts';

/** What the sandbox relay does wrong. May be changed while it runs. */
export type RelayFaults = {
  /** Before each answer. */
  latencyMs: number;
  /** Messages of these types are read and not acted on. */
  readonly swallow: Set<'EVENT' | 'REQ' | 'AUTH'>;
  /** Every AUTH gets OK false. */
  refuseAuth: boolean;
  /** The challenge doesn't come at the beginning, but with the first refusal. */
  lateChallenge: boolean;
  /** Every EVENT gets OK false with this reason. */
  refuseEvents: string | undefined;
  /** An EVENT of these kinds is blocked, for good. */
  readonly blockKinds: Set<number>;
  /** This many EVENTs cut the connection instead of being answered. */
  dropOnEvent: number;
  /** An EVENT of more bytes gets OK false, cuts the connection, or is dropped: with a NOTICE, or without a word. */
  refuseBytes: number;
  endBytes: number;
  noticeBytes: number;
  ignoreBytes: number;
  /** Stored events come without EOSE at the end. */
  omitEose: boolean;
  /** From the stored events to their EOSE. */
  eoseDelayMs: number;
  /** A REQ for these kinds is refused: by CLOSED, by NOTICE alone, or by the end of the connection. */
  readonly refuseKinds: Set<number>;
  refuseBy: 'CLOSED' | 'NOTICE' | 'end';
  /** A REQ with more filters than one is refused likewise. */
  oneFilter: boolean;
};

export const noFaults = (): RelayFaults => ({
  latencyMs: 0,
  swallow: new Set(),
  refuseAuth: false,
  lateChallenge: false,
  refuseEvents: undefined,
  blockKinds: new Set(),
  dropOnEvent: 0,
  refuseBytes: Number.POSITIVE_INFINITY,
  endBytes: Number.POSITIVE_INFINITY,
  noticeBytes: Number.POSITIVE_INFINITY,
  ignoreBytes: Number.POSITIVE_INFINITY,
  omitEose: false,
  eoseDelayMs: 0,
  refuseKinds: new Set(),
  refuseBy: 'CLOSED',
  oneFilter: false,
});

/** Faults that happen at a moment, to all connections at once. */
export type RelayFaultSwitch = {
  /** Cuts the connections without a closing handshake. */
  readonly dropAll: () => void;
  readonly closeAll: (code: number) => void;
  /** Ends the subscriptions with CLOSED; without a reason the frame has no third item. */
  readonly closeSubscriptions: (reason?: string) => void;
  /** Sends a frame as it is: text, or bytes as a binary frame. */
  readonly sendRaw: (frame: string | Uint8Array<ArrayBuffer>) => void;
  /** Forgets who is authenticated and sends a new challenge. */
  readonly challengeAgain: () => void;
  /** Forgets who is authenticated and ends the subscriptions, without a new challenge. */
  readonly expireAuth: () => void;
};

export function createRelayFaultSwitch(sockets: ReadonlySet<ServerWebSocket<RelayClient>>): RelayFaultSwitch {
  const closeSubscriptions = (reason?: string) => {
    for (const socket of sockets) {
      for (const id of socket.data.subscriptions.keys()) {
        socket.send(JSON.stringify(reason === undefined ? ['CLOSED', id] : ['CLOSED', id, reason]));
      }
      socket.data.subscriptions.clear();
    }
  };
  return {
    closeSubscriptions,
    expireAuth: () => {
      for (const { data } of sockets) data.authenticated.clear();
      closeSubscriptions('auth-required: the session has expired');
    },
    dropAll: () => {
      for (const socket of sockets) socket.terminate();
    },
    closeAll: (code) => {
      for (const socket of sockets) socket.close(code, 'bye');
    },
    sendRaw: (frame) => {
      for (const socket of sockets) socket.send(frame);
    },
    challengeAgain: () => {
      for (const socket of sockets) {
        socket.data.authenticated.clear();
        socket.data.challenge = crypto.randomUUID();
        socket.send(JSON.stringify(['AUTH', socket.data.challenge]));
      }
    },
  };
}
