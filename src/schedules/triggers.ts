import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { PublicKey, StoredMessage } from '@nostr-dm-agent/nostr';
import { ownerName } from '../replies/owner-name.ts';
import { askedTooLate, noSuchTask, taskPaused, taskWaits } from '../replies/trigger-replies.ts';
import type { Stores } from '../store/open-stores.ts';
import type { Schedule, Trigger } from './schedule.ts';
import type { Scheduler } from './scheduler.ts';

/** Of one kind of news about one trigger: a machine may send one a second. */
const tellEveryMs = 3_600_000;
const mostRemembered = 500;

/** Machines with a key of their own, which start named tasks by message: so nothing listens on a port. */
export type Triggers = {
  /** One whose owner is still one. */
  readonly of: (publicKey: PublicKey) => Trigger | undefined;
  /**
   * Does what a trigger's message asks for: `<name> <text>`, and nothing else. The answer goes to its owner, never to the
   * trigger. To be part of the transaction that acts on the message.
   */
  readonly act: (trigger: Trigger, message: StoredMessage, isTooLate: boolean) => void;
};

export function createTriggers(deps: {
  readonly stores: Pick<Stores, 'triggers' | 'owners' | 'schedules'>;
  readonly scheduler: Pick<Scheduler, 'asked'>;
  readonly tell: (owner: PublicKey, text: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}): Triggers {
  const { stores, scheduler, clock, log } = deps;
  const toldAt = new Map<string, number>();
  const tellOnce = ({ owner, publicKey }: Trigger, what: string, text: string): void => {
    const key = `${publicKey} ${what}`;
    const last = toldAt.get(key);
    if (last !== undefined && Math.abs(clock.now() - last) < tellEveryMs) return;
    if (toldAt.size >= mostRemembered) toldAt.clear();
    toldAt.set(key, clock.now());
    deps.tell(owner, text);
  };
  return {
    of: (publicKey) => {
      const trigger = stores.triggers.find(publicKey);
      return trigger !== undefined && stores.owners.roleOf(trigger.owner) !== undefined ? trigger : undefined;
    },
    act: (trigger, message, isTooLate) => {
      if (message.kind !== 14 && message.kind !== 4) return;
      const { name, text } = askedIn(message.text);
      const schedule = namedTask(stores, trigger.owner, name);
      log.info({ trigger: ownerName(trigger.publicKey), task: schedule?.id }, 'a trigger asked for a task');
      if (schedule === undefined) tellOnce(trigger, 'unknown', noSuchTask(trigger, name));
      else if (isTooLate) {
        const ago = clock.now() - message.createdAt * 1000;
        tellOnce(trigger, `late ${name}`, askedTooLate(trigger, name, ago, text));
      } else {
        const begun = scheduler.asked(schedule, { by: ownerName(trigger.publicKey), text });
        if (begun === 'busy') tellOnce(trigger, `busy ${name}`, taskWaits(trigger, name));
        else if (begun !== 'begun')
          tellOnce(trigger, `paused ${name}`, taskPaused(trigger, name, schedule.id, begun));
      }
    },
  };
}

/** `ci-failed: build 812 of main`, `!task run ci-failed …`, `/ci-failed`: its name, and the rest. */
function askedIn(text: string): { readonly name: string; readonly text: string } {
  const [, name = '', rest = ''] =
    /^\s*(?:!task\s+(?:run\s+)?|[/!])?([^\s:=]*)[\s:=]*([\s\S]*)$/i.exec(text) ?? [];
  return { name: name.toLowerCase(), text: rest.trim() };
}

/** An owner's task of this name. */
export const namedTask = (
  { schedules }: Pick<Stores, 'schedules'>,
  owner: PublicKey,
  name: string,
): Schedule | undefined =>
  schedules.of(owner).find(({ when }) => when.kind === 'asked' && when.name === name.toLowerCase());
