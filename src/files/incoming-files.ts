import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Fetch } from '@nostr-dm-agent/kit/http';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { after } from '@nostr-dm-agent/kit/timers';
import type { PublicKey, SharedFile, StoredMessage } from '@nostr-dm-agent/nostr';
import { isHosted } from '../backends/hosts/place.ts';
import { fileProblemText, hostedInboxText, inboxProblemText, whatToDoText } from '../replies/file-replies.ts';
import { heardText, voiceProblemText } from '../replies/voice-replies.ts';
import { notMadeText } from '../replies/worktree-replies.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import type { Worktrees } from '../runs/worktrees.ts';
import type { Stores } from '../store/open-stores.ts';
import { recordingIn } from '../voice/audio.ts';
import type { VoiceNotes } from '../voice/voice-notes.ts';
import { type FetchedFile, fetchFile } from './fetch-file.ts';
import { InboxFolderError, keepFile } from './keep-file.ts';
import { withoutPlace } from './strip-metadata.ts';
import { createTurns } from './turns.ts';

/** What came is a task's that comes within that time. */
export const keptForMs = 60 * 60_000;
/** How long a task that is on its way to its file, or the other way round, is waited for. */
const gatherMs = 4_000;
/** Files that are fetched at a time, and files of one owner that are taken: each may take memory. */
const mostAtOnce = 3;
const mostOfOne = 2;

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
  readonly stores: Pick<Stores, 'sharedFiles' | 'voiceNotes' | 'owners' | 'atomically'>;
  readonly currentSessions: Pick<CurrentSessions, 'choices'>;
  /** A session's tree may not be there yet. */
  readonly worktrees: Pick<Worktrees, 'make'>;
  /** Guarded: whoever serves a file is a stranger. */
  readonly fetch: Fetch;
  readonly voice: VoiceNotes;
  /** What is said beside or in the files, as a message of its own; nothing is: the message is done. */
  readonly goOn: (message: StoredMessage, said: string, isSpoken: boolean) => void;
  /** Something about the message, which is not done by that. */
  readonly show: (message: StoredMessage, text: string) => void;
  /** Nothing is done any more that is said in it. */
  readonly isTooLate: (message: StoredMessage) => boolean;
  /** Answers the message, and is done with it. */
  readonly answer: (message: StoredMessage, text: string) => void;
  readonly tell: (owner: PublicKey, text: string) => void;
  /** Told between two steps. Tests end the process there. */
  readonly reached: (
    checkpoint: 'shared:fetching' | 'shared:fetched' | 'shared:kept' | 'shared:noted' | 'shared:taken',
  ) => void;
  readonly clock: Clock;
  readonly log: Logger;
};

/** A link to a picture, and nothing else. */
const pictureLink = /^https:\/\/[^\s?#]+\.(?:jpe?g|png|gif|webp)(?:[?#]\S*)?$/i;

/** What came with a message as a file. */
export const filesOf = ({ files, text }: StoredMessage): readonly SharedFile[] =>
  files ?? (pictureLink.test(text.trim()) ? [{ url: text.trim() }] : []);

/** Words for a file that is not there yet. “The log” and “the image” are most often the workspace’s own, and nothing waits for them. */
export const expectsFile =
  /\b(?:this|these|my|following)\s+(?:\w+\s+)?(?:photos?|pictures?|pics?|images?|screenshots?|files?|pdfs?|logs?)\b|\b(?:the|that)\s+(?:photos?|pictures?|pics?|screenshots?|attachments?)\b|\battached\b/i;

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions that share what is under way
export function createIncomingFiles(deps: IncomingFilesDeps): IncomingFiles {
  const { stores, clock, log } = deps;
  const { sharedFiles } = stores;
  const ending = new AbortController();
  const underWay = new Map<number, { readonly owner: PublicKey; readonly done: Promise<void> }>();
  const asking = new Map<PublicKey, () => void>();
  const inTurn = createTurns(mostAtOnce);
  /** A transcription service that hangs holds up the files of whoever spoke, and nobody else's. */
  const turnsOf = new Map<PublicKey, typeof inTurn>();
  const inOwnTurn = (owner: PublicKey): typeof inTurn => {
    const turns = turnsOf.get(owner) ?? createTurns(mostOfOne);
    turnsOf.set(owner, turns);
    return turns;
  };

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

  /** What is said in a recording; undefined: it is a file, and no more. */
  const hear = async (message: StoredMessage, { bytes }: FetchedFile, place: number): Promise<Taken> => {
    const recording = recordingIn(bytes);
    if (recording === undefined) return {};
    const key = { owner: message.sender, message: message.id, place };
    const heard =
      deps.voice.isOn && deps.isTooLate(message)
        ? ({ problem: 'late' } as const)
        : await deps.voice.hear(key, { ...recording, bytes }, ending.signal);
    if ('text' in heard) return { said: heard.text };
    // With words beside it, it may be music: something to work on.
    const isWorkedOn = captionOf(message) !== '' && ['off', 'too_long', 'silence'].includes(heard.problem);
    const isAdmin = stores.owners.roleOf(message.sender) === 'admin';
    return isWorkedOn ? {} : { problem: voiceProblemText(heard, isAdmin) };
  };

  /** One file, in the inbox, or what is said in it; or why neither. */
  const take = async (message: StoredMessage, file: SharedFile, place: number): Promise<Taken> => {
    const { sender: owner, id } = message;
    const said = deps.voice.known({ owner, message: id, place });
    const known: Taken = said === undefined ? {} : { said };
    const isAlone = captionOf(message) === '';
    if (sharedFiles.has(owner, id, place) || (said !== undefined && isAlone)) return known;
    const { name, directory } = deps.currentSessions.choices(owner).workspace;
    if (isHosted(directory) && !deps.voice.isOn) return { problem: hostedInboxText };
    deps.reached('shared:fetching');
    const fetched = await inTurn(() => fetchFile(file, deps.fetch, ending.signal));
    deps.reached('shared:fetched');
    if ('problem' in fetched) return { problem: fileProblemText(fetched) };
    const heard = said === undefined ? await hear(message, fetched, place) : known;
    if (heard.problem !== undefined || (heard.said !== undefined && isAlone)) return heard;
    if (isHosted(directory)) return heard.said === undefined ? { problem: hostedInboxText } : heard;
    const { type } = fetched;
    const bytes = withoutPlace(fetched.bytes, type.mime);
    const made = await deps.worktrees.make(directory, ending.signal);
    if (made.state !== 'ready') return { problem: notMadeText(made, name) };
    const now = clock.now();
    const came = new Date(message.receivedAt);
    try {
      const { extension } = type;
      const path = keepFile(directory, { bytes, extension }, `${owner} ${id} ${place}`, came);
      deps.reached('shared:kept');
      const kept = { owner, message: id, place, directory, path, mime: type.mime, size: bytes.length };
      sharedFiles.keep({ ...kept, keptAt: now });
      deps.reached('shared:noted');
      log.info({ type: type.mime, bytes: bytes.length }, 'a file was kept');
      return heard;
    } catch (cause) {
      log.warn({ cause }, 'a file could not be kept');
      return { problem: inboxProblemText(cause instanceof InboxFolderError) };
    }
  };

  const acceptAll = async (message: StoredMessage, files: readonly SharedFile[]): Promise<void> => {
    const { sender, id } = message;
    // A kill came after its words were shown: they are the message's text.
    if (stores.voiceNotes.isShown(sender, id)) {
      deps.goOn(message, message.text, true);
      return;
    }
    const all = await Promise.all(
      files.map((file, place) => inOwnTurn(sender)(() => take(message, file, place))),
    );
    deps.reached('shared:taken');
    const caption = captionOf(message);
    const problems = [...new Set(all.flatMap(({ problem }) => problem ?? []))];
    const said = all.flatMap((each) => each.said ?? []).join('\n');
    if (problems.length > 0) {
      const more = caption === '' && said === '' ? [] : [nothingBegun];
      deps.answer(message, [...problems, ...more].join('\n'));
    } else if (said === '') {
      deps.goOn(message, caption, false);
      if (caption === '') askLater(sender);
    } else {
      // A photo that was sent before is what the words are about.
      await Promise.all(
        [...underWay].flatMap(([seq, each]) => (each.owner === sender && seq < message.seq ? each.done : [])),
      );
      const words = together(caption, said);
      stores.atomically(() => {
        deps.show(message, heardText(said));
        stores.voiceNotes.show(sender, id, words);
      });
      deps.goOn(message, words, true);
    }
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

/** What came of one file. */
type Taken = { readonly problem?: string; readonly said?: string };

const captionOf = ({ files, text }: StoredMessage): string => (files === undefined ? '' : text.trim());

/** What is typed is behind what is said, where a budget stands; a command is before it. */
const together = (caption: string, said: string): string =>
  (/^[!！]/u.test(caption) ? [caption, said] : [said, caption]).filter((part) => part !== '').join('\n\n');

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
