import { randomBytes } from 'node:crypto';
import type { ModelAnswer } from './last-word.ts';
import { createLease, type Lease, type LeasedPayer } from './lease.ts';
import type { OpenRuns } from './open-runs.ts';
import { mostOwnAnswers } from './own-answer.ts';
import type { Entrance } from './payer.ts';
import { createSessionTree } from './session-tree.ts';

/**
 * The one way to models that an agent server knows for as long as it lives. Worth nothing by itself: a call is served
 * for the run that its session is leased to, with that run's own money, and refused where there is no lease.
 */
export type Door = {
  /** For the server's configuration: `http://127.0.0.1:…/<unguessable>/v1`. Secret. */
  readonly baseUrl: string;
  /** What the server shows as its API key. Secret; no money is behind it. */
  readonly key: string;
  /**
   * The calls of this session are answered by the meter itself, with a word and without a node, up to a few small ones:
   * a server is warm only after a model has answered it. @returns ends it
   */
  readonly answerItself: (session: string) => () => void;
  /**
   * From now on the calls of this session and of its sub-agents (`x-session-id`, `x-parent-session-id`) are the run's.
   * They wait until the run is paid for (opened at the meter). A session is leased to one run at a time.
   *
   * @param session undefined: every call through this door that is nobody else's
   * @param answered hears of each of its calls that was answered whole, once it is booked; must not throw
   * @throws RangeError when it is leased already, or the door is closed
   */
  readonly lease: (
    session: string | undefined,
    runId: string,
    answered?: (answer: ModelAnswer) => void,
  ) => Lease;
  /** Refuses everything from now on. */
  readonly close: () => void;
};

/** What makes a door one's own, where somebody else chooses it: the secret part of its path, and its key. Secret. */
export type DoorKeys = { readonly secret: string; readonly key: string };

/**
 * @param at where its path begins: `http://127.0.0.1:…/<secret>`
 * @param key as it was chosen elsewhere; default: a new one
 */
export function createDoor(
  at: string,
  runs: OpenRuns,
  closed: () => void,
  // It looks like a node's key, which every redaction takes out.
  key = `sk-${randomBytes(32).toString('hex')}`,
): { readonly door: Door; readonly entrance: Entrance } {
  const leases = new Map<string | undefined, LeasedPayer>();
  const warming = new Map<string, { left: number }>();
  const tree = createSessionTree();
  let open = true;

  const leaseOf = (session: string, parent: string): LeasedPayer | undefined => {
    if (session !== '' && parent !== '') tree.learn(session, parent);
    for (const at of session === '' ? [] : tree.upwards(session)) {
      const lease = leases.get(at);
      if (lease) return lease;
    }
    return leases.get(undefined);
  };
  const entrance: Entrance = {
    key,
    payerOf: (headers) => {
      const session = headers.get('x-session-id') ?? '';
      const own = warming.get(session);
      if (own) {
        own.left -= 1;
        return own.left >= 0 ? 'meter' : undefined;
      }
      const leased = leaseOf(session, headers.get('x-parent-session-id') ?? '');
      leased?.asked();
      return leased?.payer;
    },
  };
  const door: Door = {
    baseUrl: `${at}/v1`,
    key,
    answerItself: (session) => {
      const own = { left: mostOwnAnswers };
      warming.set(session, own);
      return () => {
        if (warming.get(session) === own) warming.delete(session);
      };
    },
    lease: (session, runId, answered) => {
      if (!open) throw new RangeError('this door is closed');
      if (leases.has(session)) throw new RangeError('this session is leased to a run already');
      const leased = createLease(runId, runs, () => leases.delete(session), answered);
      leases.set(session, leased);
      return leased.lease;
    },
    close: () => {
      open = false;
      closed();
      warming.clear();
      for (const { lease } of [...leases.values()]) void lease.release();
    },
  };
  return { door, entrance };
}
