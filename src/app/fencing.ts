import { hostname } from 'node:os';
import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { InstanceClaim } from '@nostr-dm-agent/nostr';
import type { Dispatcher } from '../commands/dispatch.ts';
import type { AutoTopUp } from '../money/auto-top-up.ts';
import { fencedText } from '../replies/own-key-replies.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { Scheduler } from '../schedules/scheduler.ts';
import { FencedError } from '../store/fenced-error.ts';
import { knownFence, noteFence } from '../store/instance-facts.ts';
import type { Meta } from '../store/meta-table.ts';
import type { Basics } from './basics.ts';
import type { Messaging } from './messaging.ts';
import type { OneBot, TakenOver } from './one-bot.ts';

type Parts = { readonly messaging: Pick<Messaging, 'outbox' | 'tellAdmins'>; readonly meta: Meta };

const flushMs = 5_000;

/** Waits until this bot may act. Where another one has taken over, says so once to admins first. @throws FencedError */
export async function waitToAct(
  oneBot: OneBot,
  { messaging, meta }: Parts,
  { stopping }: Pick<Basics, 'stopping'>,
): Promise<TakenOver | undefined> {
  try {
    return await untilAborted(oneBot.standing(), stopping);
  } catch (error) {
    if (!(error instanceof FencedError)) throw error;
    if (tellFenced(error.claim, { messaging, meta })) {
      messaging.outbox.start(stopping);
      await messaging.outbox.flush(flushMs, stopping);
    }
    throw error;
  }
}

/**
 * From now on: a bot that hears of a newer one takes no message any more, tells admins, and asks to be stopped. What it does is
 * begun while its gate is open, and what had to wait is gone on with when that opens again.
 */
export function watchFence(
  oneBot: OneBot,
  parts: Parts & {
    readonly dispatcher: Pick<Dispatcher, 'start' | 'goOn' | 'close'>;
    readonly schedules: Pick<Scheduler, 'start' | 'look'>;
    readonly queue: Pick<RunQueue, 'look'>;
    readonly autoTopUp: Pick<AutoTopUp, 'look'>;
    readonly onFenced?: (claim: InstanceClaim) => void;
  },
  { log, stopping }: Pick<Basics, 'log' | 'stopping'>,
): { readonly act: (keyIsKnown: boolean) => void } {
  const { gate } = oneBot;
  const { dispatcher, schedules, queue, autoTopUp } = parts;
  const fenced = new AbortController();
  oneBot.watch((claim) => {
    fenced.abort();
    log.error(
      { host: claim.host, at: new Date(claim.at).toISOString() },
      'another bot with this key has taken over',
    );
    tellFenced(claim, parts);
    void dispatcher.close();
    parts.onFenced?.(claim);
  });
  return {
    // With every relay away none of its messages comes; the first that does may be one that somebody else acts on.
    act: (keyIsKnown) => {
      let acts = false;
      const goOn = (): void => {
        if (fenced.signal.aborted || stopping.aborted || !gate.isOpen()) return;
        if (acts) {
          dispatcher.goOn();
          schedules.look();
        } else {
          acts = true;
          dispatcher.start(keyIsKnown);
          schedules.start(AbortSignal.any([stopping, fenced.signal]), gate.isSure);
        }
        queue.look();
        void autoTopUp.look();
      };
      gate.onOpen(goOn);
      goOn();
    },
  };
}

/** @returns false: they know already */
function tellFenced(claim: InstanceClaim, { messaging, meta }: Parts): boolean {
  if (knownFence(meta) === claim.instance) return false;
  noteFence(meta, claim.instance);
  messaging.tellAdmins(fencedText(claim, hostname()));
  return true;
}
