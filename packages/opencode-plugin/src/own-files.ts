import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readFileIfThere, writeFileAtomically } from '@nostr-dm-agent/kit/files';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { type NodeUrl, parseNodeUrl } from '@nostr-dm-agent/routstr/node-url';
import { z } from 'zod';

/** What the plugin keeps in `BOT_HOME`. No secret is in it. */
export const modelsFile = (home: string): string => join(home, 'opencode-models.json');
export const topUpsFile = (home: string): string => join(home, 'opencode-topups.db');
const stateFile = (home: string): string => join(home, 'opencode-plugin.json');

const stateSchema = z.object({ node: z.string() });

/** The node of the last login; undefined: there was none. */
export function readNode(home: string): NodeUrl | undefined {
  const state = stateSchema.safeParse(parseJson(readFileIfThere(stateFile(home)) ?? '')).data;
  return state === undefined ? undefined : parseNodeUrl(state.node);
}

export function keepNode(home: string, node: NodeUrl): void {
  mkdirSync(dirname(stateFile(home)), { recursive: true, mode: 0o700 });
  writeFileAtomically(stateFile(home), `${JSON.stringify({ node })}\n`);
}
