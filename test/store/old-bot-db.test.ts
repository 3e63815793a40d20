/** bot.db of an earlier version, with everything that it can hold: this version reads it as it was written. */
import type { Database } from 'bun:sqlite';
import { afterEach, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { EventId } from '@nostr-dm-agent/nostr';
import { hexToBytes } from 'nostr-tools/utils';
import { findInviteCode } from '../../src/access/invite-code.ts';
import { createSealer } from '../../src/keys/seal.ts';
import { createVault } from '../../src/keys/sealed-connections.ts';
import { createAwaitedStore } from '../../src/store/awaited-table.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createConfirmations } from '../../src/store/confirmations-table.ts';
import { createConnectionStore } from '../../src/store/connections-table.ts';
import { createInviteStore } from '../../src/store/invites-table.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { createMeta } from '../../src/store/meta-table.ts';
import { createOutboxStore } from '../../src/store/outbox-table.ts';
import { createOwners } from '../../src/store/owners-table.ts';
import { createRelayListStore } from '../../src/store/relay-lists-table.ts';
import { createRunStore } from '../../src/store/runs-table.ts';
import { createSessionStore } from '../../src/store/sessions-table.ts';
import { createSettingsStore } from '../../src/store/settings-table.ts';
import { expectCopiesKept, type OldBotHome, openOldBotHome } from '../support/old-bot-home.ts';
import { contentOf } from '../support/old-home.ts';

const homes: OldBotHome[] = [];
afterEach(async () => {
  for (const home of homes.splice(0)) await home.end();
});

test('everything in bot.db is read as it was written', () => {
  const old = openOldBotHome();
  homes.push(old);
  const before = [contentOf(old.files.bot)];
  const db = openDatabase(old.files.bot, botMigrations);
  old.onEnd(() => db.close());
  expectCopiesKept([old.files.bot], before);
  readRuns(db, old);
  readMessages(db, old);
  readPeople(db, old);
  readKeys(db, old);
  readConfirmations(db, old);
});

function readRuns(db: Database, { home, directory, publicKeys }: OldBotHome): void {
  const runs = createRunStore(db);
  const sessions = createSessionStore(db);
  expect(runs.open().map(({ task, state }): string => `${task}: ${state}`)).toEqual(
    home.facts.runs.filter(({ state }) => state !== 'done').map(({ task, state }) => `${task}: ${state}`),
  );
  for (const { session } of runs.open()) expect(sessions.get(session)?.directory).toStartWith(directory);
  const own = sessions.list(publicKeys.owner, 100, undefined);
  expect(own.map(({ workspace }) => workspace)).toContain('docs');
  const outcomes = own.flatMap(({ id }) => runs.ofSession(id, 100)).map(({ outcome }): unknown => outcome);
  expect(outcomes).toEqual(expect.arrayContaining(['answered', 'failed', 'stopped', 'dropped']));
}

function readMessages(db: Database, { home, clock, publicKeys }: OldBotHome): void {
  const messages = createMessageStore(db, clock);
  expect(messages.open().map(({ id, state }): string => `${id} ${state}`)).toEqual([
    `${home.open.acting} acting`,
    `${home.open.received} received`,
  ]);
  expect(messages.history(publicKeys.owner, 100).map(({ text }) => text)).toContain('came too late');
  const outbox = createOutboxStore(db);
  expect(outbox.counts()).toEqual({ pending: 2, undeliverableTexts: 1 });
  const due = outbox
    .dueRecipients(Number.MAX_SAFE_INTEGER)
    .flatMap((recipient) => outbox.due(recipient, Number.MAX_SAFE_INTEGER, 10));
  expect(due.toSorted().map((seq) => outbox.get(seq)?.protocol)).toEqual(['nip17', 'nip04']);
  expect(createRelayListStore(db).get(publicKeys.member, 10050)?.relays.length).toBe(1);
  expect(createAwaitedStore(db).list().length).toBe(1);
}

function readPeople(db: Database, { home, clock, publicKeys }: OldBotHome): void {
  const { owner, member } = publicKeys;
  expect(createOwners(db, [], clock).roleOf(member)).toBe('member');
  const invites = createInviteStore(db, clock);
  const code = findInviteCode(home.openCode);
  expect(invites.open().length).toBe(1);
  expect(code && invites.find(code)?.createdBy).toBe(owner);
  const settings = createSettingsStore(db);
  expect(settings.get(member, 'dayLimit')).toBe(sat(4000));
  expect(settings.get(owner, 'provider')).toBe('routstr');
  expect(createMeta(db).get('routstr_budget')).toBe('128');
}

function readKeys(db: Database, { home, clock, publicKeys: { owner, member } }: OldBotHome): void {
  const vault = createVault(createSealer(hexToBytes(home.keys.bot)));
  const keys = createConnectionStore(db, clock)
    .all()
    .flatMap(({ owner: whose, provider, credential, replacement }) =>
      [credential, replacement?.credential]
        .filter((sealed) => sealed !== undefined)
        .map((sealed) => `${whose} ${provider} ${vault.open(whose, provider, sealed)}`),
    );
  const { anthropic, replacement, openrouter } = home.providerKeys;
  expect(keys.toSorted()).toEqual(
    [
      `${owner} anthropic ${anthropic}`,
      `${owner} anthropic ${replacement}`,
      `${member} openrouter ${openrouter}`,
    ].toSorted(),
  );
}

function readConfirmations(db: Database, { home, clock, publicKeys }: OldBotHome): void {
  const confirmations = createConfirmations(db, clock, () => 0);
  for (const { code, kind, taken } of home.facts.confirmations) {
    const found = confirmations.take(publicKeys.owner, code, 'aa'.repeat(32) as EventId);
    expect(found).toMatchObject(taken === 1 ? { state: 'used' } : { state: 'taken', action: { kind } });
  }
}
