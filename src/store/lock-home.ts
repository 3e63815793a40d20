import { join } from 'node:path';
import { acquireLock, type Lock } from '@nostr-dm-agent/kit/lock';

/** One process works in a `BOT_HOME`. @throws LockHeldError */
export const lockHome = (home: string): Lock => acquireLock(join(home, 'bot.lock'));
