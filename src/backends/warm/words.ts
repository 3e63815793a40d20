import { pause } from '@nostr-dm-agent/kit/abort';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { z } from 'zod';
import type { Mode } from '../mode.ts';
import { isBusySession } from './catch-up.ts';
import type { Client } from './client.ts';
import { makeMessageId } from './message-id.ts';
import { modelOf } from './model-of.ts';

const callMs = 10_000;
/** So often a word is looked for that was taken a moment ago: opencode says so before it has stored it, or begun. */
const lookMs: readonly number[] = [20, 50, 100, 200, 400];
/** So often it is said again. */
const mostTimes = 3;
/** So many of a session's last messages are looked at. */
const lastMessages = 60;

const message = z.object({
  info: z.object({ id: z.string(), role: z.string(), parentID: z.string().optional().catch(undefined) }),
});

/** What is said to a run while it works, each read by its agent exactly once, within the run. */
export type Words = {
  /** Says something more. False: the run is over, or its server does not take it; it is not read then. */
  readonly tell: (text: string, signal: AbortSignal) => Promise<boolean>;
  /**
   * The session is idle. True: all that was said is read, and from now on nothing more is taken. False: it goes on, or
   * will.
   */
  readonly areRead: (signal: AbortSignal) => Promise<boolean>;
  readonly none: () => boolean;
  /** Ids of the messages that were read. */
  readonly read: () => readonly string[];
  /** Takes no more. Resolves when nothing of it is on its way any more. */
  readonly close: () => Promise<void>;
  /** When it is closed, and its session is idle: takes out what was not read. @returns what that is */
  readonly takeBack: () => Promise<readonly string[]>;
};

type Word = { readonly id: string; readonly text: string; readonly times: number };

/**
 * opencode reads what is said to a session that is at work in its loop's next round. What comes between its last look and
 * its end is stored, and read by nobody; what comes right after begins a loop of its own. So a run ends only when its
 * session is idle and all that was said is read, and what was passed over is said again.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions that share the words
export const createWords = (
  client: Client,
  of: { readonly session: string; readonly mode: Mode; readonly model: string | undefined },
  log: Logger,
): Words => {
  const { session: sessionID } = of;
  const words = new Map<string, Word>();
  const heard: string[] = [];
  const unread: string[] = [];
  const underWay = new Set<Promise<unknown>>();
  let over = false;
  const during = <T>(work: Promise<T>): Promise<T> => {
    underWay.add(work);
    return work.finally(() => underWay.delete(work));
  };
  const landed = async (): Promise<void> => {
    while (underWay.size > 0) await Promise.allSettled(underWay);
  };

  const say = async (text: string, times: number, signal: AbortSignal): Promise<boolean> => {
    const word: Word = { id: makeMessageId(), text, times };
    const prompt = { sessionID, messageID: word.id, agent: of.mode, ...modelOf(of.model) };
    const { response } = await client.session.promptAsync(
      { ...prompt, parts: [{ type: 'text', text }] },
      { signal },
    );
    if (response?.ok !== true) return false;
    words.set(word.id, word);
    return true;
  };

  /** Forgets what was read. @returns those of the others that are stored */
  const look = async (signal: AbortSignal): Promise<ReadonlySet<Word>> => {
    const { data } = await client.session.messages(
      { sessionID, limit: lastMessages },
      { signal, throwOnError: true },
    );
    const read = data.flatMap((entry) => message.safeParse(entry).data?.info ?? []);
    // A step answers the newest message that it saw, and has seen all before it.
    const newest = read.reduce((latest, { parentID = '' }) => (parentID > latest ? parentID : latest), '');
    for (const id of [...words.keys()]) if (id <= newest && words.delete(id)) heard.push(id);
    const ids = new Set(read.map(({ id }) => id));
    return new Set([...words.values()].filter(({ id }) => ids.has(id)));
  };
  const takeOut = ({ id }: Word, signal: AbortSignal) =>
    client.session.deleteMessage({ sessionID, messageID: id }, { signal, throwOnError: true });
  /** What was passed over for good. */
  const sayAgain = async (signal: AbortSignal): Promise<void> => {
    const stored = await look(signal);
    for (const word of [...words.values()]) {
      if (stored.has(word)) await takeOut(word, signal);
      words.delete(word.id);
      const again = !over && word.times < mostTimes && (await say(word.text, word.times + 1, signal));
      if (!again) unread.push(word.text);
    }
  };

  const settle = async (signal: AbortSignal): Promise<boolean> => {
    for (let looks = 0; words.size > 0; looks += 1) {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(callMs)]);
      // In this order: what is read is read by a loop that is over only if the session is idle afterwards.
      await look(patience);
      if (await isBusySession(client, sessionID, patience)) return false;
      if (words.size === 0) break;
      const wait = lookMs[looks];
      if (wait === undefined) {
        await sayAgain(patience);
        return false;
      }
      // It may be stored, or begun with, in a moment.
      if (!(await pause(wait, signal))) return false;
    }
    return true;
  };

  return {
    tell: async (text, signal) => {
      if (over) return false;
      return during(say(text, 1, AbortSignal.any([signal, AbortSignal.timeout(callMs)])));
    },
    areRead: async (signal) => {
      for (;;) {
        await landed();
        if (!(await during(settle(signal)))) return false;
        if (underWay.size > 0 || words.size > 0) continue;
        over = true;
        return true;
      }
    },
    read: () => heard,
    none: () => words.size === 0 && underWay.size === 0,
    close: async () => {
      over = true;
      await landed();
    },
    takeBack: async () => {
      if (words.size > 0) {
        const signal = AbortSignal.timeout(callMs);
        const stored = await look(signal).catch((cause: unknown) => {
          log.warn({ cause }, 'whether a run has read what was said to it is not known');
          return new Set<Word>();
        });
        for (const word of words.values()) {
          unread.push(word.text);
          if (stored.has(word)) await takeOut(word, signal).catch(() => undefined);
        }
      }
      return unread;
    },
  };
};
