import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Fetch } from '@nostr-dm-agent/kit/http';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { after } from '@nostr-dm-agent/kit/timers';
import type { PublicKey, SharedFile, StoredMessage } from '@nostr-dm-agent/nostr';
import { isHosted } from '../backends/hosts/place.ts';
import { fileProblemText, hostedInboxText, inboxProblemText, whatToDoText } from '../replies/file-replies.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import type { Stores } from '../store/open-stores.ts';
import { type FetchedFile, type FileProblem, fetchFile } from './fetch-file.ts';
import { InboxFolderError, keepFile } from './keep-file.ts';
import { createTurns } from './turns.ts';

/** What came is a task's that comes within that time. */
export const keptForMs = 60 * 60_000;
/** How long a task that is on its way to its file, or the other way round, is waited for. */
const gatherMs = 4_000;
/** Files that are fetched at a time: each may take memory. */
const mostAtOnce = 3;

/**
 * Files that owners send. A message stays stored until its files are in the inbox of the workspace, or until its owner was
 * told why not: a kill in between fetches them again. What is there waits for the task that takes it.
 */
export type IncomingFiles = {
  /** Fetches what a message holds, and goes on with what is said beside it. */
  readonly accept: (message: StoredMessage, files: readonly SharedFile[]) => void;
  /** Resolves once nothing that an owner sent is under way; undefined: nothing is, or none is expected. */
  readonly soon: (owner: PublicKey, task: string) => Promise<void> | undefined;
  /** At a start: asks about what an earlier life did not ask about. */
  readonly start: () => void;
  readonly close: () => Promise<void>;
};

export type IncomingFilesDeps = {
  readonly stores: Pick<Stores, 'sharedFiles' | 'atomically'>;
  readonly currentSessions: Pick<CurrentSessions, 'choices'>;
  /** Guarded: whoever serves a file is a stranger. */
  readonly fetch: Fetch;
  /** What is said beside the files, as a message of its own; nothing is: the message is done. */
  readonly goOn: (message: StoredMessage, caption: string) => void;
  /** Answers the message, and is done with it. */
  readonly answer: (message: StoredMessage, text: string) => void;
  readonly tell: (owner: PublicKey, text: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
};

/** A link to a picture, and nothing else. */
const pictureLink = /^https:\/\/[^\s?#]+\.(?:jpe?g|png|gif|webp)(?:[?#]\S*)?$/i;

/** What came with a message as a file. */
export const filesOf = ({ files, text }: StoredMessage): readonly SharedFile[] =>
  files ?? (pictureLink.test(text.trim()) ? [{ url: text.trim() }] : []);

/** Words for a file that is not there yet. */
const expectsFile =
  /\b(?:this|these|that|the|my|attached|following)\s+(?:\w+\s+)?(?:photos?|pictures?|pics?|images?|screenshots?|files?|pdfs?|attachments?|logs?)\b|\battached\b/i;

export function createIncomingFiles(deps: IncomingFilesDeps): IncomingFiles {
  const { stores, clock, log } = deps;
  const { sharedFiles } = stores;
  const ending = new AbortController();
  const underWay = new Map<number, { readonly owner: PublicKey; readonly done: Promise<void> }>();
  const asking = new Map<PublicKey, () => void>();
  const inTurn = createTurns(mostAtOnce);

  const askLater = (owner: PublicKey): void => {
    asking.get(owner)?.();
    const ask = () => {
      asking.delete(owner);
      stores.atomically(() => {
        const files = sharedFiles.unasked().filter((file) => file.owner === owner);
        if (files.length === 0) return;
        sharedFiles.asked(owner, clock.now());
        deps.tell(owner, whatToDoText(files));
      });
    };
    asking.set(owner, after(gatherMs, { name: 'files', log, signal: ending.signal }, ask));
  };

  /** One file, in the inbox; or why it is not. */
  const take = async (
    message: StoredMessage,
    file: SharedFile,
    place: number,
  ): Promise<string | undefined> => {
    const { sender: owner, id } = message;
    if (sharedFiles.has(owner, id, place)) return undefined;
    const { directory } = deps.currentSessions.choices(owner).workspace;
    if (isHosted(directory)) return hostedInboxText;
    const fetched: FetchedFile | FileProblem = await fetchFile(file, deps.fetch, ending.signal);
    if ('problem' in fetched) return fileProblemText(fetched);
    const { bytes, type } = fetched;
    const now = clock.now();
    try {
      const path = keepFile(directory, bytes, type.extension, new Date(now));
      const kept = { owner, message: id, place, directory, path, mime: type.mime, size: bytes.length };
      sharedFiles.keep({ ...kept, keptAt: now });
      log.info({ type: type.mime, bytes: bytes.length }, 'a file was kept');
      return undefined;
    } catch (cause) {
      log.warn({ cause }, 'a file could not be kept');
      return inboxProblemText(cause instanceof InboxFolderError);
    }
  };

  const acceptAll = async (message: StoredMessage, files: readonly SharedFile[]): Promise<void> => {
    const all = await Promise.all(files.map((file, place) => inTurn(() => take(message, file, place))));
    const problems = [...new Set(all.flatMap((problem) => problem ?? []))];
    if (problems.length > 0) {
      deps.answer(
        message,
        [...problems, ...(message.files === undefined || message.text === '' ? [] : [nothingBegun])].join(
          '\n',
        ),
      );
      return;
    }
    const caption = message.files === undefined ? '' : message.text;
    deps.goOn(message, caption);
    if (caption === '') askLater(message.sender);
  };

  return {
    accept: (message, files) => {
      const { seq, sender } = message;
      if (underWay.has(seq) || ending.signal.aborted) return;
      const done = acceptAll(message, files)
        .catch((cause: unknown) => {
          if (!ending.signal.aborted)
            log.error({ cause, message: message.id }, 'files could not be taken; the message stays stored');
        })
        .finally(() => underWay.delete(seq));
      underWay.set(seq, { owner: sender, done });
    },
    soon: (owner, task) => {
      const theirs = () => [...underWay.values()].filter((each) => each.owner === owner);
      const isThere = sharedFiles.waiting(owner, clock.now() - keptForMs).length > 0;
      if (theirs().length === 0 && (isThere || !expectsFile.test(task))) return undefined;
      return settled(theirs, ending.signal).catch(() => undefined);
    },
    start: () => {
      for (const owner of new Set(sharedFiles.unasked().map((file) => file.owner))) askLater(owner);
    },
    close: async () => {
      ending.abort();
      await Promise.all([...underWay.values()].map(({ done }) => done));
    },
  };
}

const nothingBegun = 'The task beside it was not begun: send both again.';

/** What is under way is done, or a while has passed in which nothing came. */
async function settled(
  theirs: () => readonly { readonly done: Promise<void> }[],
  signal: AbortSignal,
): Promise<void> {
  const until = performance.now() + gatherMs;
  while (performance.now() < until && theirs().length === 0)
    await sleep(100, undefined, { ref: false, signal });
  await Promise.all(theirs().map(({ done }) => done));
}
