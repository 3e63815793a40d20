import type { Database } from 'bun:sqlite';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { z } from 'zod';
import { LeaseLostError, WalletInUseError } from '../errors.ts';

/** How often the holder says that it is alive, and how long it may be silent before others believe it dead. */
const beatEveryMs = 10_000;
const silentForMs = 60_000;

/** The right to write to a wallet's database: one process at a time. */
export type Lease = {
  /** To be called inside every write transaction. @throws LeaseLostError when another process took over */
  readonly assertHeld: () => void;
  readonly release: () => void;
};

const holderSchema = z.object({
  token: z.string(),
  pid: z.number(),
  process_start: z.string().nullable(),
  host: z.string(),
  taken_at: z.number(),
  beat_at: z.number(),
});
type Holder = z.infer<typeof holderSchema>;

/**
 * Takes the lease or says who has it. A holder on this host is alive if its process is (a process id that was given
 * to another process since is recognised by its start time); one on another host is alive while it keeps beating.
 *
 * @throws WalletInUseError
 */
export function takeLease(db: Database, clock: Clock): Lease {
  const token = randomUUID();
  db.transaction(() => {
    const row = db.query('SELECT * FROM lease WHERE id = 1').get();
    if (row) {
      const holder = holderSchema.parse(row);
      if (isAlive(holder, clock)) {
        throw new WalletInUseError({ pid: holder.pid, host: holder.host, since: holder.taken_at });
      }
    }
    db.query(
      `INSERT OR REPLACE INTO lease (id, token, pid, process_start, host, taken_at, beat_at)
       VALUES (1, ?, ?, ?, ?, ?, ?)`,
    ).run(token, process.pid, processStart(process.pid) ?? null, hostname(), clock.now(), clock.now());
  }).immediate();

  const beat = db.query('UPDATE lease SET beat_at = ? WHERE token = ?');
  const mine = db.query<{ token: string }, [string]>('SELECT token FROM lease WHERE token = ?');
  const timer = setInterval(() => beat.run(clock.now(), token), beatEveryMs);
  timer.unref();
  return {
    assertHeld() {
      if (mine.get(token) === null) throw new LeaseLostError();
    },
    release() {
      clearInterval(timer);
      db.query('DELETE FROM lease WHERE token = ?').run(token);
    },
  };
}

function isAlive(holder: Holder, clock: Clock): boolean {
  const beating = clock.now() - holder.beat_at < silentForMs;
  if (holder.host !== hostname()) return beating;
  if (!processExists(holder.pid)) return false;
  const start = processStart(holder.pid);
  return start === undefined || holder.process_start === null ? beating : start === holder.process_start;
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Boot and clock tick at which a process began; undefined where there is no /proc. */
function processStart(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the name in brackets, may hold anything; the 20th after it is the start time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? `${boot} zombie` : `${boot} ${fields[19]}`;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}
