import { randomBytes } from 'node:crypto';
import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { parsePublicKey } from '@nostr-dm-agent/nostr/keys';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { createEntryLinks } from '../../src/entry-links.ts';
import type { InviteFacts, NowFacts, OwnerFacts } from '../../src/facts.ts';
import { createInside } from '../../src/inside.tsx';
import type { MoneySource } from '../../src/money-source.ts';
import { type ServedPage, servePage } from '../../src/open.ts';
import type { OperatorSource } from '../../src/operator-source.ts';
import { createPageApp } from '../../src/page-app.tsx';
import type { PageSessionStore, StoredPageSession } from '../../src/page-sessions.ts';
import type { Health, PageSource, SessionsSource } from '../../src/page-source.ts';
import type { Visitor } from '../../src/visitor.ts';

/** Sessions as a database keeps them. */
export function sessionsInMemory(): PageSessionStore {
  const kept = new Map<string, StoredPageSession>();
  return {
    add: (session) => void kept.set(session.hash, session),
    find: (hash) => kept.get(hash),
    noteUse: (hash, usedAt) => {
      const session = kept.get(hash);
      if (session !== undefined) kept.set(hash, { ...session, usedAt });
    },
    remove: (hash) => void kept.delete(hash),
    removeOld: (usedBefore, madeBefore) => {
      for (const [hash, { usedAt, madeAt }] of kept)
        if (usedAt < usedBefore || madeAt < madeBefore) kept.delete(hash);
    },
  };
}

export type Person = { readonly secretKey: Uint8Array; readonly publicKey: PublicKey };
export function newPerson(): Person {
  const secretKey = generateSecretKey();
  return { secretKey, publicKey: parsePublicKey(getPublicKey(secretKey)) };
}

/** What a page is told where there is nothing; a test puts more there. */
const noViews = (): {
  money: MoneySource;
  sessions: SessionsSource;
  owners: OwnerFacts[];
  invites: InviteFacts[];
} => ({
  money: {
    view: () => undefined,
    ledger: async function* () {},
    hasWallet: () => false,
    spenders: () => [],
    spend: () => ({ days: [], spent: [] }),
  },
  sessions: {
    list: () => [],
    find: () => undefined,
    diff: async () => undefined,
    choices: () => ({ workspaces: ['app'], workspace: 'app', providers: ['local'], provider: 'local' }),
  },
  owners: [],
  invites: [],
});

/** A served page whose time, owners and health a test sets. */
export async function startPage(owners: Map<PublicKey, Visitor['role']>) {
  const time = { now: 1_900_000_000_000 };
  const clock = { now: () => time.now };
  const health: { now: Health } = { now: { parts: {} } };
  const now: { facts: NowFacts } = { facts: { runs: [], asks: [] } };
  const operator: { now: OperatorSource } = {
    now: {
      log: () => ({ entries: [], hasMore: false }),
      examine: () => undefined,
      seekNodes: () => undefined,
      nodes: () => ({
        found: undefined,
        isSeeking: false,
        current: 'node',
        configured: true,
        model: undefined,
        known: [],
      }),
      diagnosis: () => ({ found: undefined, isLooking: false }),
      settings: () => {
        throw new Error('not told');
      },
    },
  };
  const views = noViews();
  const acted: { visitor: Visitor; order: { command: string; about?: string | undefined } }[] = [];
  const links = createEntryLinks(clock, randomBytes);
  const source: PageSource = {
    visitorOf: (publicKey) => {
      const role = owners.get(publicKey);
      return role && { publicKey, role };
    },
    now: () => now.facts,
    get money() {
      return views.money;
    },
    get sessions() {
      return views.sessions;
    },
    providers: () => ({
      preferred: 'local',
      session: undefined,
      login: undefined,
      providers: [],
      found: [],
      oldKeys: [],
      known: 0,
    }),
    relays: () => [],
    schedules: { list: () => [], zone: () => ({ name: 'UTC', chosen: false, change: undefined }) },
    owners: () => views.owners,
    invites: () => views.invites,
    get operator() {
      return operator.now;
    },
    act: async (visitor, order, signal) => {
      acted.push({ visitor, order });
      if (order.command === '!slow') await untilAborted(new Promise(() => undefined), signal);
      return [order.command.startsWith('!two') ? 'first words\n\nand more' : '<b>pong</b>'];
    },
    health: () => health.now,
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'wallet_sat 1240\n' }),
  };
  const faults: unknown[] = [];
  const deps = {
    source,
    links,
    sessions: sessionsInMemory(),
    metricsKey: 'the key of the metrics',
    actMs: 300,
    onFault: (cause: unknown) => void faults.push(cause),
    clock,
    randomBytes,
  };
  const page: ServedPage = await servePage({ hostname: '127.0.0.1', port: 0 }, deps);
  const { routes } = createPageApp(
    { ...deps, assets: { answer: () => new Response(), bytes: 0 } },
    createInside(deps),
  );
  /** One request, redirects not followed. */
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(new URL(path, page.url), { redirect: 'manual', ...init });
  const post = (path: string, init: RequestInit & { headers?: Record<string, string> } = {}) =>
    ask(path, { method: 'POST', ...init, headers: { Origin: page.url, ...init.headers } });
  return {
    ...page,
    paths: [...new Set(routes.map(({ path }) => path))],
    time,
    now,
    views,
    operator,
    acted,
    health,
    faults,
    links,
    ask,
    post,
  };
}

export const cookieOf = (answer: Response): string => answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
