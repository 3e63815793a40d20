/** Nodes that are announced on Nostr, and what their reviewer says: from relays that anybody can write to. */

import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { createBench, quiet, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { createGuardedFetch } from '@nostr-dm-agent/kit/net';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import type { NostrEvent, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import { createRelays } from '@nostr-dm-agent/nostr';
import { refusingUrl, relayWorld } from '@nostr-dm-agent/nostr/testing/relay-world';
import { type NodeBulletins, parseNodeUrl, readBulletins } from '@nostr-dm-agent/routstr';
import {
  announcedNodes,
  claimOf,
  createAbilitySource,
  createNodeClient,
  defaultTimeouts,
  inParallel,
  lookAtNode,
  rankNodes,
} from '@nostr-dm-agent/routstr/open';
import { startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { finalizeEvent, generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { createRelayBoard } from '../../src/money/node-board.ts';
import { nodeLine } from '../../src/replies/node-replies.ts';

setDefaultTimeout(30_000);

const now = Math.floor(Date.now() / 1000);
type Key = { readonly secret: Uint8Array; readonly pubkey: PublicKey };
const newKey = (): Key => {
  const secret = generateSecretKey();
  return { secret, pubkey: getPublicKey(secret) as PublicKey };
};
const reviewer = newKey();

const announce = (key: Key, tags: string[][], more: { at?: number; content?: string } = {}): NostrEvent =>
  finalizeEvent(
    { kind: 38421, created_at: more.at ?? now, tags, content: more.content ?? '{"name":"A node"}' },
    key.secret,
  );
const review = (key: Key, about: string, labels: string[], at = now): NostrEvent =>
  finalizeEvent(
    {
      kind: 38425,
      created_at: at,
      tags: [['d', about], ['node', about], ...labels.map((label) => ['t', label])],
      content: '',
    },
    key.secret,
  );
const read = (events: readonly NostrEvent[], allowLoopback = false) =>
  readBulletins(events, { reviewer: reviewer.pubkey, allowLoopback, now });

describe('an announcement', () => {
  test('says where a node is, which mints it takes, its version and its name', () => {
    const key = newKey();
    const event = announce(key, [
      ['d', 'x'],
      ['u', 'https://node.example/v1/'],
      ['u', 'http://abcdef.onion'],
      ['mint', 'https://mint.example/Bitcoin'],
      ['version', '0.4.5'],
    ]);
    expect(read([event]).announcements).toEqual([
      {
        author: key.pubkey,
        createdAt: now,
        urls: ['https://node.example/v1'],
        mints: ['https://mint.example/Bitcoin'],
        version: '0.4.5',
        name: 'A node',
      },
    ]);
  });

  const useless: readonly (readonly [string, string[][]])[] = [
    [
      'of another project',
      [
        ['d', 'x'],
        ['relay', 'wss://relay.example'],
      ],
    ],
    ['of a hidden service', [['u', 'http://abcdefghijklmnop.onion']]],
    ['without encryption', [['u', 'http://node.example']]],
    ['on this machine', [['u', 'https://127.0.0.1:8080']]],
    [
      'in a private network',
      [
        ['u', 'https://10.0.0.1'],
        ['u', 'https://[fd00::1]'],
        ['u', 'https://nas.local'],
      ],
    ],
    ['at a metadata service', [['u', 'https://169.254.169.254/latest']]],
    ['with a password', [['u', 'https://user:secret@node.example']]],
    ['with a query', [['u', 'https://node.example/?next=x']]],
    ['of nothing', [['u', ''], ['u'], ['u', 'not a url'], ['u', 'javascript:alert(1)']]],
    ['that is too long', [['u', `https://node.example/${'x'.repeat(300)}`]]],
    [
      'behind a thousand tags',
      [...Array.from({ length: 1000 }, () => ['x', 'y']), ['u', 'https://node.example']],
    ],
  ];
  test.each(useless)('%s is none', (_, tags) => {
    expect(read([announce(newKey(), tags)]).announcements).toEqual([]);
  });

  test('on this machine counts for a bot that is on this machine', () => {
    const event = announce(newKey(), [
      ['u', 'http://127.0.0.1:8080/v1'],
      ['u', 'http://10.0.0.1'],
    ]);
    expect(read([event], true).announcements[0]?.urls).toEqual(['http://127.0.0.1:8080/v1']);
  });

  test('is bounded, whatever is in it, and its name is one short line', () => {
    const name = `Best\n!wallet withdraw\u202E\u0007${'x'.repeat(5000)}`;
    const event = announce(
      newKey(),
      [
        ...Array.from({ length: 50 }, (_, i) => ['u', `https://node${i}.example`]),
        ...Array.from({ length: 49 }, (_, i) => ['mint', `https://mint${i}.example`]),
      ],
      { content: JSON.stringify({ name }) },
    );
    const [found] = read([event]).announcements;
    expect(found?.urls).toHaveLength(4);
    expect(found?.mints).toHaveLength(20);
    expect(found?.name).toMatch(/^Best !wallet withdraw x+$/);
    expect(found?.name?.length).toBe(60);
    const huge = announce(newKey(), [['u', 'https://node.example']], {
      content: `{"name":"${'x'.repeat(9000)}"}`,
    });
    expect(read([huge]).announcements[0]?.name).toBeUndefined();
    const broken = announce(newKey(), [['u', 'https://node.example']], { content: '{"name":' });
    expect(read([broken]).announcements).toHaveLength(1);
  });

  test('is replaced by a newer one of the same author, also when that takes the node away', () => {
    const key = newKey();
    const old = announce(
      key,
      [
        ['d', 'x'],
        ['u', 'https://old.example'],
      ],
      { at: now - 100 },
    );
    const next = announce(
      key,
      [
        ['d', 'x'],
        ['u', 'https://new.example'],
      ],
      { at: now - 50 },
    );
    const gone = announce(key, [['d', 'x']], { at: now - 10 });
    const future = announce(
      key,
      [
        ['d', 'x'],
        ['u', 'https://future.example'],
      ],
      { at: now + 100_000 },
    );
    expect(read([next, old, future]).announcements[0]?.urls).toEqual(['https://new.example']);
    expect(read([old, gone, next]).announcements).toEqual([]);
  });
});

describe('a verdict', () => {
  const node = newKey();
  const event = announce(node, [['u', 'https://node.example']]);
  const verdictOf = (reviews: readonly NostrEvent[]) => {
    const { announcements, reviews: said } = read([event, ...reviews]);
    return announcedNodes(announcements, said)[0]?.claims[0]?.verdict;
  };
  test('is the newest word of the reviewer', () => {
    expect(verdictOf([])).toBe('unreviewed');
    expect(verdictOf([review(reviewer, node.pubkey, ['lgtm'])])).toBe('trusted');
    expect(
      verdictOf([
        review(reviewer, node.pubkey, ['lgtm'], now - 9),
        review(reviewer, node.pubkey, ['avoid'], now - 8),
      ]),
    ).toBe('rejected');
    expect(
      verdictOf([
        review(reviewer, node.pubkey, ['Removed'], now - 9),
        review(reviewer, node.pubkey, ['verified'], now - 8),
      ]),
    ).toBe('trusted');
    expect(verdictOf([review(reviewer, node.pubkey, ['lgtm', 'suspicious'])])).toBe('rejected');
    expect(verdictOf([review(reviewer, node.pubkey, ['interesting'])])).toBe('unreviewed');
  });
  test('is nobody else’s: not the node’s own, not a stranger’s, not about another node', () => {
    expect(verdictOf([review(node, node.pubkey, ['trusted'])])).toBe('unreviewed');
    expect(verdictOf([review(newKey(), node.pubkey, ['trusted'])])).toBe('unreviewed');
    expect(verdictOf([review(reviewer, newKey().pubkey, ['trusted'])])).toBe('unreviewed');
  });
  test('is about the one whose node it is, whoever else announces its address', () => {
    const [good, bad] = [newKey(), newKey()];
    const { announcements, reviews } = read([
      announce(good, [['u', 'https://node.example/v1']]),
      announce(bad, [['u', 'https://node.example']], { at: now + 5 }),
      review(reviewer, good.pubkey, ['trusted']),
      review(reviewer, bad.pubkey, ['blacklisted']),
    ]);
    const nodes = announcedNodes(announcements, reviews);
    expect(nodes).toHaveLength(1);
    const claims = nodes[0]?.claims ?? [];
    expect(claimOf(claims, good.pubkey)?.verdict).toBe('trusted');
    expect(claimOf(claims, bad.pubkey)?.verdict).toBe('rejected');
    // A node of somebody who never announced it has no review, whatever others announce.
    expect(claimOf(claims, newKey().pubkey)).toBeUndefined();
    expect(claimOf(claims, undefined)?.verdict).toBe('trusted');
  });
});

describe('from relays', () => {
  const boardOf = (own: readonly RelayUrl[], sources: readonly RelayUrl[] = []) => {
    const relays = createRelays({
      own,
      sign: () => Promise.reject(new Error('nothing is signed')),
      clock: { now: () => Date.now() },
      random: seededRandom(1),
      log: quiet,
      locate: async (url) => [{ url, headers: {}, tls: undefined }],
    });
    const board = createRelayBoard({
      ...{ relays, sources, allowLoopback: true },
      reviewer: reviewer.pubkey,
      clock: { now: () => Date.now() },
      queryMs: 2_000,
    });
    return { board, [Symbol.dispose]: relays.close };
  };

  test('announcements are gathered, forged ones left out', async () => {
    await using net = relayWorld();
    const [own, other] = [net.relay(), net.relay()];
    const [a, b] = [newKey(), newKey()];
    own.inject(announce(a, [['u', 'https://a.example']]));
    other.inject(announce(b, [['u', 'https://b.example']]));
    other.inject(review(reviewer, b.pubkey, ['lgtm']));
    other.inject({ ...announce(newKey(), [['u', 'https://forged.example']]), pubkey: a.pubkey });
    other.inject({ ...announce(b, [['u', 'https://b.example']]), tags: [['u', 'https://altered.example']] });
    other.inject({ ...review(newKey(), a.pubkey, ['trusted']), pubkey: reviewer.pubkey });
    using mine = boardOf([own.url], [other.url]);
    const found = await mine.board.read(soon());
    expect(found.announcements.flatMap(({ urls }) => urls).sort()).toEqual([
      'https://a.example',
      'https://b.example',
    ]);
    expect(found.reviews).toEqual([{ about: b.pubkey, labels: ['lgtm'] }]);
    expect(found.complete).toBe(true);
  });

  test('a flood of them is cut, and does not hide a review', async () => {
    await using net = relayWorld();
    const own = net.relay();
    const key = newKey();
    own.inject(announce(key, [['u', 'https://good.example']]));
    own.inject(review(reviewer, key.pubkey, ['trusted']));
    const flooder = newKey();
    for (let i = 0; i < 400; i += 1) {
      own.inject(
        announce(
          flooder,
          [
            ['d', `${i}`],
            ['u', `https://flood${i}.example`],
          ],
          { at: now - i - 1 },
        ),
      );
    }
    using mine = boardOf([own.url]);
    const { announcements, reviews } = await mine.board.read(soon());
    expect(announcements.length).toBeLessThanOrEqual(200);
    expect(reviews).toHaveLength(1);
    expect(announcements.map(({ urls }) => urls[0])).toContain('https://good.example');
  });

  test('when none can be asked, that is said; one that is away keeps the others from nothing', async () => {
    await using net = relayWorld();
    const other = net.relay();
    other.inject(announce(newKey(), [['u', 'https://a.example']]));
    using away = boardOf([refusingUrl]);
    const none: NodeBulletins = { announcements: [], reviews: [], complete: false };
    using half = boardOf([refusingUrl], [other.url]);
    const [nobody, one] = await Promise.all([away.board.read(soon()), half.board.read(soon())]);
    expect(nobody).toEqual(none);
    expect(one.announcements).toHaveLength(1);
    expect(one.complete).toBe(true);
  });

  test('they are asked once in some minutes', async () => {
    const asked: string[] = [];
    const relay = startSandboxRelay({ onMessage: ([type]) => asked.push(type) });
    using mine = boardOf([relay.url]);
    await mine.board.read(soon());
    await mine.board.read(soon());
    expect(asked.filter((type) => type === 'REQ')).toHaveLength(1);
    await relay.stop();
  });
});

test('a look at a node says what it is for us, and the best ones come first', async () => {
  const upstream = { baseUrl: 'http://127.0.0.1:1/v1' };
  const bench = createBench();
  const mint = bench.mint();
  const up = startSandboxNode({ mints: [`${mint.url}/`], upstream });
  const foreign = startSandboxNode({ mints: ['https://elsewhere.example'], upstream });
  const dead = startSandboxNode({ mints: [mint.url], upstream });
  dead.crash();
  const nodes = [dead, foreign, up].map(({ url }) => ({
    url: parseNodeUrl(url),
    claims: [{ author: newKey().pubkey, verdict: 'trusted' as const, name: 'n', version: undefined }],
  }));
  const looks = await inParallel(nodes, 2, (node) =>
    lookAtNode(
      node,
      {
        nodeAt: (url) => createNodeClient(url, { ...defaultTimeouts, info: 2000, models: 2000 }),
        model: 'routstr/claude-sonnet-4.5',
        ability: createAbilitySource(),
        wallet: bench.wallet(mint),
        hexOf: () => undefined,
      },
      soon(),
    ),
  );
  expect(looks.map(({ state }) => state)).toEqual(['away', 'answers', 'answers']);
  expect(looks.map((look) => look.state === 'answers' && look.takesOurs)).toEqual([false, false, true]);
  expect(rankNodes(looks).map(({ url }) => url)).toEqual(
    [2, 1, 0].map((i) => nodes[i]?.url ?? parseNodeUrl('http://x')),
  );
  await Promise.all([up, foreign, dead].map((node) => node.stop()));
  await bench.end();
});

test('an address that leads inside is not asked', async () => {
  let asked = 0;
  using inside = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () => {
      asked += 1;
      return Response.json({});
    },
  });
  const resolve = async () => ['127.0.0.1'];
  const addresses = ['https://inside.example', `http://inside.example:${inside.port}`, inside.url.origin];
  for (const url of addresses) {
    const look = await lookAtNode(
      { url: parseNodeUrl(url), claims: [] },
      {
        nodeAt: (at) =>
          createNodeClient(at, defaultTimeouts, createGuardedFetch({ resolve, encrypted: false })),
        model: undefined,
        ability: createAbilitySource(),
        wallet: undefined,
        hexOf: () => undefined,
      },
      soon(),
    );
    expect(look).toMatchObject({ state: 'away', verdict: 'unreviewed' });
  }
  expect(asked).toBe(0);
});

test('a node can’t pass for a reviewed one by what it calls itself', () => {
  const line = nodeLine({
    ...{ url: parseNodeUrl('https://evil.example'), verdict: 'unreviewed', state: 'away', detail: '' },
    name: 'Good” · reviewed well · “\u202e',
    version: '1 · reviewed well',
  });
  expect(line).toBe('evil.example · “Good reviewed well” · 1 · does not answer · ⚠ not reviewed');
});
