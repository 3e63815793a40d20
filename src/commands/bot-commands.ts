import { CLOCK_TOLERANCE_MS } from '@nostr-dm-agent/kit/compare-clock';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { BackendHealth } from '../backends/backend.ts';
import type { Wall } from '../backends/jail/types.ts';
import type { Owner } from '../config/config.ts';
import { clockFact } from '../replies/clock-replies.ts';
import { formatAgo, formatDuration, lines, shorten } from '../replies/format.ts';
import { hostsLine } from '../replies/host-replies.ts';
import { keptLine } from '../replies/kept-replies.ts';
import { proxyLine } from '../replies/proxy-replies.ts';
import { refusedLine } from '../replies/refusal-replies.ts';
import { connectedCount, refusingLines, relayTroubles } from '../replies/relay-replies.ts';
import { mendWall, wallLine } from '../replies/wall-replies.ts';
import { balanceText, shareText } from '../replies/wallet-replies.ts';
import { formatTime } from '../replies/when-in-words.ts';
import type { Command } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { modelText } from './model-commands.ts';

/** `!status`, `!ping`, `!version`. */
export function botCommands(deps: CommandDeps): readonly Command[] {
  const { bot, currentSessions, clock } = deps;
  const uptime = () => formatDuration(clock.now() - bot.startedAt);
  const connected = () => connectedCount(bot.relays());
  return [
    {
      path: 'status',
      family: 'Bot',
      summary: 'relays, session, queue, provider, wallet, last error',
      role: 'member',
      kind: 'immediate',
      run: ({ owner }) => {
        const { publicKey } = owner;
        const { workspace, backend, mode } = currentSessions.choices(publicKey);
        const session = currentSessions.current(publicKey);
        const branch = session && deps.worktrees.at(session.directory)?.branch;
        const wallet = walletLine(deps, publicKey);
        const proxy = bot.proxy();
        return lines(
          `Up ${uptime()}, version ${bot.version}`,
          `Relays: ${connected()} connected`,
          relayTroubles(bot.relays()),
          proxy !== undefined && proxyLine(proxy),
          `Session: ${session?.id ?? 'none yet'} · ${workspace.name} · ${mode}${branch === undefined ? '' : ` · branch ${branch}`}`,
          `Backend: ${backend} ${healthLine(bot.health(backend))}`,
          wallStatus(bot.wall()),
          keptLine(bot.kept(backend)),
          `Model: ${modelText(deps, publicKey)}`,
          session && contextLine(deps, session.id),
          `Provider: ${deps.providers.line(publicKey)}`,
          wallet !== undefined && `Wallet: ${wallet}`,
          queueLine(deps, owner),
          scheduleStatus(deps, publicKey),
          // What goes on with others, and what the log says of it, is for admins.
          owner.role === 'admin' && forAdmins(deps),
        );
      },
    },
    {
      path: 'ping',
      family: 'Bot',
      summary: 'is it there?',
      role: 'member',
      kind: 'immediate',
      run: () => `pong · up ${uptime()} · ${connected()} relays`,
    },
    {
      path: 'version',
      family: 'Bot',
      summary: 'versions of the bot and of its backend',
      role: 'member',
      kind: 'immediate',
      run: ({ owner }) => {
        const { backend } = currentSessions.choices(owner.publicKey);
        return lines(
          `nostr-dm-agent ${bot.version}`,
          `${backend} ${healthLine(bot.health(backend))}`,
          `Bun ${Bun.version}`,
        );
      },
    },
  ];
}

/** What is in the wallet, as far as it is this owner's business; undefined without one. */
function walletLine({ money }: CommandDeps, owner: PublicKey): string | undefined {
  const share = money.shares.of(owner);
  if (share?.role === 'member') return shareText(share).split('\n')[0];
  const wallet = money.wallet.opened();
  return wallet && balanceText({ ...wallet.balance(), mints: [] });
}

/** How full the agent's memory of the conversation is, as of the last task. */
function contextLine({ stores }: CommandDeps, session: string): string | undefined {
  const context = stores.runs.ofSession(session, 1)[0]?.result?.context;
  if (context === undefined) return undefined;
  const of = context.of === undefined ? '' : ` of ${context.of.toLocaleString('en-US')}`;
  return `Conversation: ${context.used.toLocaleString('en-US')}${of} tokens; !compact shortens it`;
}

function queueLine({ queue }: CommandDeps, owner: Owner): string {
  const { begun, waiting } = queue.counts(owner.role === 'admin' ? undefined : owner.publicKey);
  return `Queue: ${begun} running, ${waiting} waiting`;
}

/** undefined: they have nothing scheduled. */
function scheduleStatus({ stores, clock }: CommandDeps, owner: PublicKey): string | undefined {
  const all = stores.schedules.of(owner);
  const next = all.flatMap(({ nextAt, zone }) => (nextAt === undefined ? [] : [{ nextAt, zone }]));
  const [first] = next.toSorted((a, b) => a.nextAt - b.nextAt);
  const when = first === undefined ? '' : `, next ${formatTime(first.nextAt, first.zone, clock.now())}`;
  return all.length === 0 ? undefined : `Scheduled: ${all.length}${when}`;
}

function forAdmins({ bot, clock, hosts }: CommandDeps): string {
  const { pending, undeliverable, refusing } = bot.outbox();
  const problem = bot.lastProblem();
  const ownClock = bot.clock();
  return lines(
    hostsLine(hosts?.list() ?? []),
    refusedLine(bot.inbox()),
    ownClock !== undefined &&
      Math.abs(ownClock.aheadMs) > CLOCK_TOLERANCE_MS &&
      `Clock of this machine: ${clockFact(ownClock)}`,
    pending > 0 && `Replies on their way: ${pending}`,
    undeliverable > 0 && `Replies that could not be delivered: ${undeliverable}`,
    refusingLines(refusing),
    problem === undefined
      ? 'Last error: none'
      : `Last error, ${formatAgo(clock.now() - problem.at)}: ${shorten(problem.text, 160)}`,
  );
}

function healthLine(health: BackendHealth | undefined): string {
  switch (health?.state) {
    case undefined:
      return '(being looked at)';
    case 'ok':
      return `${health.version}`;
    case 'untested':
      return `${health.version} (not the tested ${health.tested})`;
    case 'missing':
      return `is missing: ${shorten(health.problem, 120)}`;
  }
}

/** What keeps the agent from the bot's own files. */
const wallStatus = (wall: Wall | undefined): string => {
  if (wall === undefined) return 'Wall: (being looked at)';
  const mend = wall.kind === 'bwrap' || wall.kind === 'landlock' ? undefined : mendWall(wall.problems);
  return `Wall: ${wallLine(wall)}${mend === undefined ? '' : `. On the host: ${mend}`}`;
};
