/*
 * One bot at a time, of all that have the same key (docs/design.md#one-bot-at-a-time): who was restored, moved or told to take over
 * claims the key at its relays before it does anything; who hears of a newer claim stops.
 */
import { createHash } from 'node:crypto';
import { pause } from '@nostr-dm-agent/kit/abort';
import { backoffMs } from '@nostr-dm-agent/kit/backoff';
import { readFileIfThere } from '@nostr-dm-agent/kit/files';
import type { Identity, InstanceClaim, Relays } from '@nostr-dm-agent/nostr';
import { FencedError } from '../store/fenced-error.ts';
import {
  beginAsSuccessor,
  type ClaimReason,
  claimDue,
  dueClaim,
  type OwnInstance,
  readInstance,
  writeInstance,
} from '../store/instance-facts.ts';
import type { Stores } from '../store/open-stores.ts';
import type { Basics } from './basics.ts';
import { createClaimBoard, newestFirst } from './claim-board.ts';
import { createFenceGate, type FenceGate } from './fence-gate.ts';

/** How this one has come to be the one that acts. */
export type TakenOver = {
  readonly reason: ClaimReason;
  /** The claim that stood before; undefined: there was none. */
  readonly from: InstanceClaim | undefined;
  /** A relay keeps it. False: all refuse such events, and nobody will hear of it. */
  readonly kept: boolean;
};

export type OneBot = {
  /** undefined: it goes on as what it was. @throws FencedError */
  readonly standing: () => Promise<TakenOver | undefined>;
  /** What is begun, is begun while this is open. */
  readonly gate: FenceGate;
  /** From now on a newer claim is told of, once. */
  readonly watch: (onFenced: (claim: InstanceClaim) => void) => void;
};

const retry = { baseMs: 1_000, maxMs: 30_000 };

type Parts = {
  readonly relays: Relays;
  readonly identity: Identity;
  readonly stores: Pick<Stores, 'db' | 'meta'>;
  /** `start --take-over`. */
  readonly told: boolean;
  /** Done once a claim stands and before anything else: what is owned besides is taken for old, too. */
  readonly onClaimed: (signal: AbortSignal) => Promise<void>;
};

export function createOneBot({ stores: { db, meta }, ...parts }: Parts, basics: Basics): OneBot {
  const { clock, random, log, stopping: signal } = basics;
  const gate = createFenceGate({ relays: parts.relays.own, look: () => lookAgain() }, basics);
  const board = createClaimBoard(parts, gate.asking, basics);
  const keep = (own: OwnInstance): void => db.transaction(() => writeInstance(meta, own)).immediate();
  noteDue(meta, parts.told);
  let fencedBy: InstanceClaim | undefined;
  let tellFenced: ((claim: InstanceClaim) => void) | undefined;

  /** undefined: no relay has taken it, nor refused it for good. */
  const tryToClaim = async (reason: ClaimReason): Promise<TakenOver | undefined> => {
    const { newest, answers } = await board.look();
    if (answers.length === 0) return undefined;
    const generation = Math.max(newest?.generation ?? 0, readInstance(meta).generation) + 1;
    const own = { instance: crypto.randomUUID(), generation, claimedAt: clock.now() };
    keep(own);
    const outcomes = await board.publish(own);
    const kept = outcomes.some(({ result }) => result === 'accepted');
    if (!kept && !outcomes.every((outcome) => outcome.result === 'refused' && outcome.permanent))
      return undefined;
    await parts.onClaimed(signal);
    beginAsSuccessor(db, meta, clock.now());
    gate.hear(answers);
    log.warn(
      { reason, generation, kept, before: newest?.host },
      'this bot has claimed its key: an older one stops',
    );
    return { reason, from: newest, kept };
  };
  const claim = async (reason: ClaimReason): Promise<TakenOver> => {
    for (let attempt = 0; ; attempt += 1) {
      signal.throwIfAborted();
      const claimed = await tryToClaim(reason);
      if (claimed !== undefined) return claimed;
      const waiting = 'no relay has taken the claim of the key yet; nothing is done before that';
      if (attempt % 10 === 0) log.warn({ reason }, waiting);
      await pause(backoffMs(attempt, retry, random), signal);
    }
  };

  /** A new home, or one of before there were claims: where there is another one, both are told (watchOwnKey). */
  const adopt = (newest: InstanceClaim | undefined): void => {
    if (readInstance(meta).generation > 0) return;
    const claimedAt = newest === undefined ? clock.now() : undefined;
    keep({ instance: crypto.randomUUID(), generation: newest?.generation ?? 1, claimedAt });
  };
  /** As it was, unless somebody newer is there. */
  const goOn = async (): Promise<undefined> => {
    const { newest, answers } = await board.look();
    if (newest !== undefined && isFencedBy(readInstance(meta), newest)) throw new FencedError(newest);
    if (answers.length > 0) adopt(newest);
    gate.hear(answers);
  };
  const noteClaim = (found: InstanceClaim): void => {
    if (fencedBy !== undefined || !isFencedBy(readInstance(meta), found)) return;
    fencedBy = found;
    gate.close();
    tellFenced?.(found);
  };
  /** A relay has lost it, or was away, or is new; or it keeps the one of two claims that has to give way. */
  const putRight = (kept: InstanceClaim | undefined): void => {
    const own = readInstance(meta);
    if (fencedBy === undefined && isNewerThan(own, kept)) void board.publish(own);
  };
  /** After a gap. */
  const lookAgain = async (): Promise<void> => {
    const { newest, answers } = await board.look();
    if (newest !== undefined) noteClaim(newest);
    if (answers.length === 0 || fencedBy !== undefined) return;
    adopt(newest);
    putRight(newest);
    gate.hear(answers);
  };

  const reason = dueClaim(meta);
  const begun = reason === undefined ? goOn() : claim(reason);
  // Whoever waits for it hears of it; it may be found before anybody does.
  begun.then(gate.stand, () => undefined);
  return {
    standing: () => begun,
    gate,
    watch: (onFenced) => {
      tellFenced = onFenced;
      if (fencedBy !== undefined) onFenced(fencedBy);
      board.listen(noteClaim, (kept, word) => {
        putRight(kept);
        if (word === undefined) return;
        // Started while none answered: what it is, all of them say together.
        if (readInstance(meta).generation === 0) gate.isOpen();
        else gate.hear([word]);
      });
    },
  };
}

/** Whether a relay that keeps this claim has to be told of our own. */
const isNewerThan = (own: OwnInstance, kept: InstanceClaim | undefined): boolean =>
  own.claimedAt !== undefined &&
  kept?.instance !== own.instance &&
  (kept === undefined || newestFirst({ ...own, at: own.claimedAt, host: '' }, kept) < 0);

/** Two that claimed the same generation at once: the later one stays. One that has claimed nothing is no rival of its own generation. */
export function isFencedBy(own: OwnInstance, claim: InstanceClaim): boolean {
  if (claim.instance === own.instance || own.generation === 0) return false;
  if (claim.generation !== own.generation) return claim.generation > own.generation;
  if (own.claimedAt === undefined) return false;
  return newestFirst(claim, { ...own, at: own.claimedAt, host: '' }) < 0;
}

/** Whether it has to claim: told to, or copied to another machine by hand, and perhaps not the only one. */
function noteDue(meta: Stores['meta'], told: boolean): void {
  if (told) meta.set(claimDue, 'told');
  const id = readFileIfThere('/etc/machine-id')?.trim() ?? '';
  // In a container there is none, or a new one each time.
  if (id === '') return;
  const machine = createHash('sha256').update(`nostr-dm-agent ${id}`).digest('hex').slice(0, 16);
  const before = meta.get('machine');
  if (before !== undefined && before !== machine && dueClaim(meta) === undefined) meta.set(claimDue, 'moved');
  meta.set('machine', machine);
}
