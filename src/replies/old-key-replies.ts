import type { OldKey } from '../keys/old-keys.ts';
import { lines } from './format.ts';

const fromText = (from: string): string => (from === 'auth.json' ? 'opencode’s own login' : from);

/** Told once to whoever runs the host. */
export const oldKeysNotice = (offered: readonly OldKey[]): string =>
  lines(
    `This machine has ${offered.length === 1 ? 'a key' : 'keys'} from before there were connections:`,
    offered.map(({ provider, from }) => `· ${provider.name} (${fromText(from)})`),
    'As a connection a key is sealed and yours alone: your runs that choose that provider use it, and nobody else’s. What is there stays as it is, and local goes on using it.',
    `!provider adopt ${offered.length === 1 ? offered[0]?.provider.id : 'all'} connects, !provider adopt no leaves it so. The way back is !provider disconnect <id>.`,
  );

export const nothingToAdopt =
  'There is no key on this machine that you could connect. !provider connect <id> <key> connects one that you send.';
export const notTheHosts =
  'The keys on this machine are for the admins of BOT_OWNERS to connect. !provider connect <id> <key> connects one of yours.';
export const leftAsIs =
  'Left as they are: local goes on using them, and you are not asked again. !provider connect <id> <key> connects one any time.';
export const adoptedText = (name: string, id: string, from: string, said: string): string =>
  `Connected to ${name} with the key from ${fromText(from)}, which stays there. ${said}\n!provider set ${id} lets your tasks use it; !provider disconnect ${id} is the way back.`;
