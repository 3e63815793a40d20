import type { Door, Lease } from '@nostr-dm-agent/routstr';
import type { StandingPayment } from '../backend.ts';
import { doorNamed, doorWanted, leaseEnded, leaseWanted, ownAnswer, type WireStanding } from './wire.ts';

/** As many as there may be servers; more only somebody who is not the bot's program would want. */
const mostDoors = 64;
const mostReferences = 1000;

/** The door of nobody: what is written down of a payment has these in the place of a door's own. */
const template: Door = {
  baseUrl: '{url}',
  key: '{key}',
  answerItself: () => () => undefined,
  lease: () => ({ release: async () => undefined }),
  close: () => undefined,
};

/**
 * The meter's doors for one connection to a host. What the host asks for is granted for runs that it was given, and to the
 * server of whoever pays for them: beyond their budgets nothing can be spent.
 */
export const createHostDoors = (deps: {
  /** Whose run this is, if it is under way on this host. */
  readonly ownerOf: (runId: string) => string | undefined;
  readonly tell: (name: string, body: unknown) => void;
  /** Where the meter is. */
  readonly leadTo: (port: number) => void;
}) => {
  const standings = new Map<string, { readonly owner: string; readonly standing: StandingPayment }>();
  const doors = new Map<
    string,
    { readonly owner: string; readonly door: Door; own: Map<string, () => void> }
  >();
  const leases = new Map<string, Lease>();
  let closed = false;
  const doorOf = (id: string) => {
    const found = doors.get(id);
    if (found === undefined) throw new RangeError('a door that there is not');
    return found;
  };
  return {
    /** What a host is told of a payment; undefined: it is no payment run by run, and knows secrets. */
    describe: (owner: string, standing: StandingPayment): WireStanding | undefined => {
      if (standing.openDoor === undefined) return undefined;
      const { credentials, variables, configuration } = standing.payment(template);
      if (credentials !== 'provided') return undefined;
      const ref = `${owner} ${standing.payer}`;
      standings.delete(ref);
      standings.set(ref, { owner, standing });
      for (const old of [...standings.keys()].slice(0, -mostReferences)) standings.delete(old);
      return { ref, payer: standing.payer, payment: { credentials, variables, configuration } };
    },
    tells: {
      door: (body: unknown): void => {
        const { door: id, ref, server, secret, key } = doorWanted.parse(body);
        const found = standings.get(ref);
        if (closed || found?.standing.openDoor === undefined || doors.has(id) || doors.size >= mostDoors)
          throw new RangeError('a door that is not opened');
        const door = found.standing.openDoor(server, { secret, key });
        doors.set(id, { owner: found.owner, door, own: new Map() });
        deps.leadTo(Number(new URL(door.baseUrl).port));
      },
      doorClosed: (body: unknown): void => {
        const { door } = doorNamed.parse(body);
        doors.get(door)?.door.close();
        doors.delete(door);
      },
      ownAnswer: (body: unknown): void => {
        const { door, session, on } = ownAnswer.parse(body);
        const { door: opened, own } = doorOf(door);
        own.get(session)?.();
        own.delete(session);
        if (on && own.size < mostDoors) own.set(session, opened.answerItself(session));
      },
      lease: (body: unknown): void => {
        const { lease, door, session, runId } = leaseWanted.parse(body);
        const { door: opened, owner } = doorOf(door);
        if (deps.ownerOf(runId) !== owner || leases.has(lease) || session === '')
          throw new RangeError('a lease for a run that this host does not have');
        leases.set(
          lease,
          opened.lease(session, runId, (answer) => deps.tell('called', { lease, answer })),
        );
      },
    },
    release: async (body: unknown): Promise<void> => {
      const { lease } = leaseEnded.parse(body);
      const found = leases.get(lease);
      leases.delete(lease);
      await found?.release();
    },
    /** Nothing of this host's is served any more. Resolves when nothing more can be spent, and all that was is counted. */
    close: async (): Promise<void> => {
      closed = true;
      const released = [...leases.values()].map((lease) => lease.release());
      for (const { door } of doors.values()) door.close();
      for (const kept of [standings, doors, leases]) kept.clear();
      await Promise.all(released);
    },
  };
};
export type HostDoors = ReturnType<typeof createHostDoors>;
