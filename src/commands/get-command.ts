import { isHosted } from '../backends/hosts/place.ts';
import { readWorkspaceFile } from '../files/read-workspace-file.ts';
import { sniffType } from '../files/sniff-type.ts';
import {
  emptyFileText,
  gotText,
  hostedGetText,
  notSentText,
  workspaceFileProblemText,
} from '../replies/file-replies.ts';
import { notMadeText } from '../replies/worktree-replies.ts';
import { type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

/** Of text that is sent as text: more is nothing to read on a phone. */
const mostBytes = 256 * 1024;

/** `!get`: a file of the workspace. */
export const getCommand = (deps: Pick<CommandDeps, 'currentSessions' | 'worktrees'>): Command => ({
  path: 'get',
  parameters: '<path>',
  family: 'Tasks',
  summary: 'read a text file of the workspace',
  detail: 'No model, no cost. Links are not followed. Pictures and other files are not sent yet.',
  examples: ['!get src/a.ts', '!get notes.md'],
  role: 'member',
  kind: 'lasting',
  repeatable: true,
  run: async ({ owner, argument }, signal) => {
    const asked = argument.trim().replace(/^(["'`])(.*)\1$/, '$2');
    if (asked === '') throw new UsageError('Which file?');
    const { name, directory } = deps.currentSessions.choices(owner.publicKey).workspace;
    if (isHosted(directory)) throw new RefusalError(hostedGetText);
    const made = await deps.worktrees.make(directory, signal);
    if (made.state !== 'ready') throw new RefusalError(notMadeText(made, name));
    const found = readWorkspaceFile(directory, asked, mostBytes);
    if ('problem' in found) throw new RefusalError(workspaceFileProblemText(asked, found));
    if (found.bytes.length === 0) return emptyFileText(found.path);
    const type = sniffType(found.bytes);
    if (type.kind !== 'text') {
      const { path, bytes } = found;
      throw new RefusalError(notSentText({ path, mime: type.mime, size: bytes.length }));
    }
    return gotText(found.path, Buffer.from(found.bytes).toString('utf8'));
  },
});
