import { randomBytes } from 'node:crypto';
import { createGuardedFetch, outwardFetch } from '@nostr-dm-agent/kit/net';
import type { InboxStore, MessageLog, PublicKey } from '@nostr-dm-agent/nostr';
import { createInbox } from '@nostr-dm-agent/nostr';
import { createAdmission } from '../access/admission.ts';
import { createCommands } from '../commands/all-commands.ts';
import type { BotFacts, CommandDeps } from '../commands/command-deps.ts';
import { createDispatcher } from '../commands/dispatch.ts';
import type { DispatchDeps } from '../commands/dispatch-deps.ts';
import { type Meaning, readMeaning } from '../commands/meaning/meaning.ts';
import { createTaskOrders } from '../commands/order-task.ts';
import { createRefusedMessages } from '../commands/refused-messages.ts';
import { createUnstoredMessages } from '../commands/unstored-messages.ts';
import { isReadable } from '../commands/wallet/incoming-commands.ts';
import type { Config } from '../config/config.ts';
import { createIncomingFiles } from '../files/incoming-files.ts';
import type { ConnectionTools } from '../keys/connection-keeper.ts';
import { connectShorthand } from '../keys/keys-in-messages.ts';
import type { Money } from '../money/money.ts';
import { createActFromPage } from '../page/act-from-page.ts';
import { createTriggers } from '../schedules/triggers.ts';
import { actsSince } from '../store/instance-facts.ts';
import type { Stores } from '../store/open-stores.ts';
import { createVoiceNotes } from '../voice/voice-notes.ts';
import type { Basics } from './basics.ts';
import type { FenceGate } from './fence-gate.ts';
import type { Messaging } from './messaging.ts';
import { guardOwnKey } from './own-key.ts';
import type { Work } from './work.ts';

/** How long a command, and gathering missed messages, may take. */
const commandTimeoutMs = 60_000;
const gatherMs = 2_000;

/** What comes in, and what is done about it: the inbox, strangers, commands, tasks. */
export function createIntake(
  {
    identity,
    catchupMs,
    speech,
    relays: [relay],
  }: Pick<Config, 'identity' | 'catchupMs' | 'relays' | 'speech'>,
  parts: {
    readonly bot: BotFacts;
    readonly stores: Stores;
    readonly messages: InboxStore & MessageLog;
    readonly messaging: Messaging;
    readonly connections: ConnectionTools;
    readonly logins: CommandDeps['logins'];
    readonly money: Money;
    readonly work: Work;
    readonly gate: FenceGate;
    readonly shell: CommandDeps['shell'];
    readonly page: CommandDeps['page'];
    readonly keptLog: CommandDeps['keptLog'];
    readonly configured: CommandDeps['configured'];
    readonly doctor: CommandDeps['doctor'];
    readonly redact: (text: string) => string;
  },
  basics: Basics,
) {
  const { clock, log, stopping } = basics;
  const { stores, messages, money, work, redact, gate } = parts;
  const { messenger, tell, brake, outgoingFiles } = parts.messaging;
  const { owners, invites, confirmations } = stores;
  const { queue, currentSessions, asks } = work;
  const isWholeToken = (text: string): boolean => isReadable(money.wallet.opened(), text);
  const meaningOf = (text: string): Meaning =>
    readMeaning(text, { match: (asked) => registry.match(asked), isWholeToken });
  // `!retry` asks what a missed message meant, which depends on what commands there are.
  const registry = createCommands({ ...parts, ...work, outgoingFiles, meaningOf, randomBytes, clock });
  const monotonic = () => performance.now();
  const admission = createAdmission({ invites, owners, messenger, tell, monotonic, log });
  const memberBudget = money.routstr.budget;
  const tasks = createTaskOrders({
    ...{ asks, owners, runs: stores.runs, messages, currentSessions, queue, messenger, memberBudget },
    ...{ waitsFor: work.waitsFor, sharedFiles: stores.sharedFiles, clock },
    log,
  });
  const triggers = createTriggers({ stores, scheduler: work.schedules, tell, clock, log });
  const dispatcher = createDispatcher({
    triggers,
    openFiles: filesOpener(parts, speech, basics),
    meaningOf: (text) => {
      const command = connectShorthand(text);
      return command === undefined
        ? meaningOf(text)
        : { kind: 'commands', commands: [registry.match(command)], unread: '' };
    },
    match: registry.match,
    brake,
    answeredBy: parts.messaging.outbox.answered,
    confirmations,
    asks,
    tasks,
    ...{ signOfLife: work.warm, mayBegin: gate.isOpen },
    admission,
    messages,
    messenger,
    stores,
    redact,
    limits: {
      catchupMs,
      homeMadeAt: Math.max(messages.createdAt, actsSince(stores.meta)),
      gatherMs,
      commandTimeoutMs,
    },
    clock,
    log,
  });
  const refused = createRefusedMessages({
    messenger,
    meta: stores.meta,
    homeMadeAt: messages.createdAt,
    ownClockAheadMs: () => parts.bot.clock()?.aheadMs,
    clock,
  });
  const ownKey = guardOwnKey({ identity, meta: stores.meta, ...parts.messaging }, basics);
  const isOwner = (publicKey: PublicKey): boolean => owners.roleOf(publicKey) !== undefined;
  const inbox = createInbox({
    feed: parts.messaging.feed,
    store: messages,
    isOwner: (author) => isOwner(author) || triggers.of(author) !== undefined,
    strangers: admission.strangers,
    actsSince: () => actsSince(stores.meta),
    onMessage: (message) => {
      dispatcher.accept(message);
      if (isOwner(message.sender)) refused.noteClock(message);
    },
    onRefused: (refusal) => void (isOwner(refusal.sender) && refused.refused(refusal)),
    onOwnCopy: ownKey.onOwnCopy,
    onUnstored: createUnstoredMessages({
      outbox: parts.messaging.outbox,
      isOwner,
      monotonic,
      signal: stopping,
    }),
    ...{ identity, clock, log },
  });
  const start = () => {
    inbox.start(stopping);
    // Behind the inbox: a relay may serve only so many subscriptions.
    ownKey.start();
  };
  const fromPage = createActFromPage({
    ...{ registry, messenger, redact, commandTimeoutMs, relay, randomBytes, clock, log },
    mayBegin: async (signal) => gate.isOpen() || gate.sure(signal),
    atomically: stores.atomically,
  });
  return { start, stats: inbox.stats, dispatcher, fromPage };
}
/** Whoever serves a file is a stranger. */
const filesOpener =
  (
    {
      stores,
      work,
      messaging,
    }: { readonly stores: Stores; readonly work: Work; readonly messaging: Messaging },
    service: Config['speech'],
    { clock, reached, log }: Basics,
  ): NonNullable<DispatchDeps['openFiles']> =>
  (acting) => {
    const { allowLoopback, tell } = messaging;
    const fetch = createGuardedFetch({ allowLoopback, redirects: 3 });
    const voice = createVoiceNotes({ service, store: stores.voiceNotes, fetch: outwardFetch, clock, log });
    return createIncomingFiles({ ...acting, ...work, stores, voice, fetch, tell, reached, clock, log });
  };

export type Intake = ReturnType<typeof createIntake>;
