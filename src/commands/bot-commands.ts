import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { PublicKey, RelayStatus } from '@nostr-dm-agent/nostr';
import type { BackendHealth, BackendName } from '../backends/backend.ts';
import { formatAgo, formatDuration, shorten } from '../replies/format.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { Command } from './command.ts';
import { type ModelTextDeps, modelText } from './model-commands.ts';

export type BotState = {
  readonly version: string;
  readonly startedAt: number;
  readonly relays: () => readonly RelayStatus[];
  readonly outbox: () => { readonly pending: number; readonly undeliverable: number };
  /** As found at start; undefined while it is still being looked at. */
  readonly health: (backend: BackendName) => BackendHealth | undefined;
  /** A line of the provider that pays for the owner's next task. */
  readonly provider: (owner: PublicKey) => string;
  /** What is in the wallet, as far as it is this owner's business; undefined without one. */
  readonly wallet: (owner: PublicKey) => string | undefined;
  /** The last warning or error in the log. */
  readonly lastProblem: () => { readonly text: string; readonly at: number } | undefined;
};

/** `!status`, `!ping`, `!version`. */
export function botCommands(
  deps: ModelTextDeps & {
    readonly state: BotState;
    readonly queue: RunQueue;
    readonly clock: Clock;
  },
): readonly Command[] {
  const { state, currentSessions, queue, clock } = deps;
  const uptime = () => formatDuration(clock.now() - state.startedAt);
  const connected = () => {
    const relays = state.relays();
    return `${relays.filter((relay) => relay.state === 'open').length} of ${relays.length}`;
  };

  const forAdmins = (): readonly string[] => {
    const { pending, undeliverable } = state.outbox();
    const problem = state.lastProblem();
    return [
      ...(pending > 0 ? [`Replies on their way: ${pending}`] : []),
      ...(undeliverable > 0 ? [`Replies that could not be delivered: ${undeliverable}`] : []),
      problem === undefined
        ? 'Last error: none'
        : `Last error, ${formatAgo(clock.now() - problem.at)}: ${shorten(problem.text, 160)}`,
    ];
  };

  return [
    {
      path: 'status',
      parameters: '',
      family: 'Bot',
      summary: 'relays, session, queue, provider, wallet, last error',
      examples: ['!status'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner }) => {
        const { workspace, backend, mode } = currentSessions.choices(owner.publicKey);
        const session = currentSessions.current(owner.publicKey);
        const isAdmin = owner.role === 'admin';
        const runs = queue.list().filter((run) => isAdmin || run.owner === owner.publicKey);
        const waiting = runs.filter((run) => run.state === 'queued').length;
        const wallet = state.wallet(owner.publicKey);
        const lines = [
          `Up ${uptime()}, version ${state.version}`,
          `Relays: ${connected()} connected`,
          ...state
            .relays()
            .filter((relay) => relay.state !== 'open')
            .map((relay) => `  ${relay.url}: ${relay.lastError ?? relay.state}`),
          `Session: ${session?.id ?? 'none yet'} · ${workspace.name} · ${mode}`,
          `Backend: ${backend} ${healthLine(state.health(backend))}`,
          `Model: ${modelText(deps, owner.publicKey)}`,
          `Provider: ${state.provider(owner.publicKey)}`,
          ...(wallet === undefined ? [] : [`Wallet: ${wallet}`]),
          `Queue: ${runs.length - waiting} running, ${waiting} waiting`,
          // What goes on with others, and what the log says of it, is for admins.
          ...(isAdmin ? forAdmins() : []),
        ];
        return { reply: lines.join('\n') };
      },
    },
    {
      path: 'ping',
      parameters: '',
      family: 'Bot',
      summary: 'is it there?',
      examples: ['!ping'],
      role: 'member',
      kind: 'immediate',
      run: () => ({ reply: `pong · up ${uptime()} · ${connected()} relays` }),
    },
    {
      path: 'version',
      parameters: '',
      family: 'Bot',
      summary: 'versions of the bot and of its backend',
      examples: ['!version'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner }) => {
        const { backend } = currentSessions.choices(owner.publicKey);
        return {
          reply: [
            `nostr-dm-agent ${state.version}`,
            `${backend} ${healthLine(state.health(backend))}`,
            `Bun ${Bun.version}`,
          ].join('\n'),
        };
      },
    },
  ];
}

function healthLine(health: BackendHealth | undefined): string {
  switch (health?.state) {
    case undefined:
      return '(being looked at)';
    case 'ok':
      return `${health.version}${walls(health.isolation)}`;
    case 'untested':
      return `${health.version} (not the tested ${health.tested})${walls(health.isolation)}`;
    case 'missing':
      return `is missing: ${shorten(health.problem, 120)}`;
  }
}

/** How the agent is kept from the bot's own files. */
const walls = (isolation: string | undefined) => (isolation === undefined ? '' : ` · isolation ${isolation}`);
