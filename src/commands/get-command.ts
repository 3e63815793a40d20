import { isHosted } from '../backends/hosts/place.ts';
import { MAX_FILE_BYTES } from '../files/fetch-file.ts';
import { readWorkspaceFile } from '../files/read-workspace-file.ts';
import { sniffType } from '../files/sniff-type.ts';
import {
  brokenPictureText,
  emptyFileText,
  gotText,
  hostedGetText,
  manyUnderWayText,
  noFileServerText,
  noFilesByNip04Text,
  sentText,
  workspaceFileProblemText,
} from '../replies/file-replies.ts';
import { notMadeText } from '../replies/worktree-replies.ts';
import { replyTo } from '../runs/messenger.ts';
import { type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

/** Of text that is sent as text: more is nothing to read on a phone. */
const mostText = 256 * 1024;

/** `!get`: a file of the workspace. */
export const getCommand = (
  deps: Pick<CommandDeps, 'currentSessions' | 'worktrees' | 'outgoingFiles'>,
): Command => ({
  path: 'get',
  parameters: '<path>',
  family: 'Tasks',
  summary: 'send a file of the workspace',
  detail:
    'Text as text, pictures and others encrypted by a file server. No model, no cost. Links are not followed.',
  examples: ['!get src/a.ts', '!get shot.png'],
  role: 'member',
  kind: 'lasting',
  repeatable: true,
  run: async ({ owner, message, argument }, signal) => {
    const asked = argument.trim().replace(/^(["'`])(.*)\1$/, '$2');
    if (asked === '') throw new UsageError('Which file?');
    const { name, directory } = deps.currentSessions.choices(owner.publicKey).workspace;
    if (isHosted(directory)) throw new RefusalError(hostedGetText);
    const made = await deps.worktrees.make(directory, signal);
    if (made.state !== 'ready') throw new RefusalError(notMadeText(made, name));
    const found = readWorkspaceFile(directory, asked, { maxBytes: MAX_FILE_BYTES });
    if ('problem' in found) throw new RefusalError(workspaceFileProblemText(asked, found));
    const { path, bytes } = found;
    if (bytes.length === 0) return emptyFileText(path);
    const type = sniffType(bytes);
    if (type.kind === 'text' && bytes.length <= mostText)
      return gotText(path, Buffer.from(bytes).toString('utf8'));
    const facts = { path, mime: type.mime, size: bytes.length };
    const { outgoingFiles } = deps;
    if (outgoingFiles === undefined) throw new RefusalError(noFileServerText(facts));
    if (message.protocol !== 'nip17') throw new RefusalError(noFilesByNip04Text(facts));
    if (outgoingFiles.isFull(owner.publicKey)) throw new RefusalError(manyUnderWayText);
    const prepared = outgoingFiles.prepare({ bytes, type, name: path, way: 'get' });
    if (prepared === undefined) throw new RefusalError(brokenPictureText(path));
    return { reply: sentText(facts), commit: () => prepared.send(replyTo(message)) };
  },
});
