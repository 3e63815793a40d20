import type { FileChange, Prompts } from '../session-desk.ts';
import type { Client } from './client.ts';

export type Patch = FileChange & { readonly diff: string };
export type TaskDiff =
  | { readonly state: 'known'; readonly patches: readonly Patch[] }
  | { readonly state: 'refused'; readonly error: unknown; readonly status: number | undefined };

/**
 * What a task changed, one entry per file. opencode keeps for each message what was done in answer to it, so what followed
 * a word in between is asked for with that.
 */
export async function diffOfTask(
  client: Client,
  sessionID: string,
  prompts: Prompts,
  signal: AbortSignal,
): Promise<TaskDiff> {
  const files = new Map<string, Patch>();
  for (const messageID of prompts) {
    const { data, error, response } = await client.session.diff({ sessionID, messageID }, { signal });
    if (data === undefined) return { state: 'refused', error, status: response?.status };
    for (const { file, additions, deletions, patch = '' } of data) {
      if (file === undefined) continue;
      const { added, removed, diff } = files.get(file) ?? { added: 0, removed: 0, diff: '' };
      files.set(file, {
        file,
        added: added + additions,
        removed: removed + deletions,
        diff: [diff, patch].filter((part) => part !== '').join('\n'),
      });
    }
  }
  return { state: 'known', patches: [...files.values()].sort((a, b) => (a.file < b.file ? -1 : 1)) };
}
