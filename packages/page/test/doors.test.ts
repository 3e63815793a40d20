import { afterAll, describe, expect, test } from 'bun:test';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { finalizeEvent } from 'nostr-tools/pure';
import { z } from 'zod';
import type { Visitor } from '../src/visitor.ts';
import { cookieOf, newPerson, type Person, startPage } from './support/page-kit.ts';

const [admin, member, stranger] = [newPerson(), newPerson(), newPerson()];
const owners = new Map<PublicKey, Visitor['role']>([
  [admin.publicKey, 'admin'],
  [member.publicKey, 'member'],
]);
const page = await startPage(owners);
afterAll(() => page.stop());

const enter = async (person: Person): Promise<string> => {
  const answer = await page.post(`/enter/${page.links.make(person.publicKey)}`);
  expect(answer.status).toBe(303);
  return cookieOf(answer);
};
/** Behind the doors a page that is not there is told from a closed door. */
const isIn = async (cookie: string): Promise<boolean> =>
  (await page.ask('/nothing-there', { headers: { Cookie: cookie } })).status === 404;

describe('a link of the bot', () => {
  test('lets its owner in once; looking at it first does not use it up', async () => {
    const link = `/enter/${page.links.make(admin.publicKey)}`;
    const looked = await page.ask(link);
    expect([looked.status, cookieOf(looked)]).toEqual([200, '']);
    expect(await looked.text()).toContain('Come in');

    const cookie = cookieOf(await page.post(link));
    expect(await isIn(cookie)).toBe(true);
    const again = await page.post(link);
    expect([again.status, cookieOf(again)]).toEqual([410, '']);
    expect(await again.text()).toContain('!page');
  });

  test('is good for ten minutes', async () => {
    const link = `/enter/${page.links.make(admin.publicKey)}`;
    page.time.now += 10 * 60_000;
    expect((await page.ask(link)).status).toBe(410);
    expect((await page.post(link)).status).toBe(410);
  });

  test('of somebody who is no owner any more lets nobody in', async () => {
    const link = `/enter/${page.links.make(stranger.publicKey)}`;
    const answer = await page.post(link);
    expect([answer.status, cookieOf(answer)]).toEqual([410, '']);
  });

  test('pressed from another program’s page is not followed', async () => {
    const link = `/enter/${page.links.make(admin.publicKey)}`;
    for (const headers of [{ Origin: 'http://127.0.0.1:9' }, { Origin: 'null' }, {}]) {
      expect((await page.ask(link, { method: 'POST', headers })).status).toBe(403);
    }
    expect((await page.post(link, { headers: { 'Sec-Fetch-Site': 'same-site' } })).status).toBe(403);
    expect((await page.post(link)).status).toBe(303);
  });
});

describe('a browser that is in', () => {
  test('is out with its owner’s role, at once', async () => {
    const cookie = await enter(member);
    expect(await isIn(cookie)).toBe(true);
    owners.delete(member.publicKey);
    expect(await isIn(cookie)).toBe(false);
    owners.set(member.publicKey, 'member');
    expect(await isIn(cookie)).toBe(true);
  });

  test('is out after twelve hours without use, and after a week in any case', async () => {
    const idle = await enter(admin);
    page.time.now += 12 * 3_600_000 + 1;
    expect(await isIn(idle)).toBe(false);

    const busy = await enter(admin);
    for (let hours = 0; hours < 7 * 24; hours += 8) {
      expect(await isIn(busy)).toBe(true);
      page.time.now += 8 * 3_600_000;
    }
    page.time.now += 1;
    expect(await isIn(busy)).toBe(false);
  });

  test('changes nothing without the key that its own forms carry', async () => {
    const cookie = await enter(admin);
    const signOut = (body: string) =>
      page.post('/sign-out', {
        headers: { Cookie: cookie, 'Content-Type': 'application/x-www-form-urlencoded' },
        body,
      });
    expect((await signOut('')).status).toBe(403);
    expect((await signOut('formKey=guessed')).status).toBe(403);
    expect(await isIn(cookie)).toBe(true);
    const shown = await (await page.ask('/now', { headers: { Cookie: cookie } })).text();
    const formKey = /name="formKey" value="([^"]+)"/.exec(shown)?.[1] ?? '';
    expect((await signOut(`formKey=${formKey}`)).status).toBe(303);
    expect(await isIn(cookie)).toBe(false);
  });
});

describe('a signature (NIP-98)', () => {
  const challenge = async (): Promise<string> =>
    z.object({ challenge: z.string() }).parse(await (await page.post('/sign-in/challenge')).json()).challenge;
  const signed = async (
    person: Person,
    changes: Partial<{ url: string; method: string; at: number; kind: number; challenge: string }> = {},
  ) =>
    finalizeEvent(
      {
        kind: changes.kind ?? 27235,
        created_at: Math.floor((changes.at ?? page.time.now) / 1000),
        tags: [
          ['u', changes.url ?? `${page.url}/sign-in`],
          ['method', changes.method ?? 'POST'],
          ['challenge', changes.challenge ?? (await challenge())],
        ],
        content: '',
      },
      person.secretKey,
    );
  const signIn = (event: unknown) => page.post('/sign-in', { body: JSON.stringify(event) });

  test('of an owner lets them in', async () => {
    const answer = await signIn(await signed(member));
    expect(answer.status).toBe(204);
    expect(await isIn(cookieOf(answer))).toBe(true);
  });

  test('lets nobody in twice, nor a stranger, nor with anything wrong about it', async () => {
    const event = await signed(admin);
    expect((await signIn(event)).status).toBe(204);
    const wrong: Record<string, unknown> = {
      'the same again': event,
      'a stranger': await signed(stranger),
      'for another address': await signed(admin, { url: 'http://127.0.0.1:9/sign-in' }),
      'for a GET': await signed(admin, { method: 'GET' }),
      'of an hour ago': await signed(admin, { at: page.time.now - 3_600_000 }),
      'of tomorrow': await signed(admin, { at: page.time.now + 86_400_000 }),
      'of another kind': await signed(admin, { kind: 1 }),
      'with a made-up challenge': await signed(admin, { challenge: 'x'.repeat(43) }),
      'changed after it was signed': { ...(await signed(stranger)), pubkey: admin.publicKey },
      'no event': 'in, please',
      nothing: undefined,
    };
    for (const [what, given] of Object.entries(wrong)) {
      const answer = await signIn(given);
      expect([what, answer.status, cookieOf(answer)]).toEqual([what, 403, '']);
    }
  });
});

describe('a stranger', () => {
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
  /** The doors themselves, the same for everybody, and what machines ask. */
  const doors = /^\/(assets|enter|sign-in|metrics|health)(\/|$)/;
  const fill = (path: string) => path.replace('/*', '/anything').replace(/:\w+/g, 'some-id');
  const known = () => page.paths.map(fill).filter((path) => !doors.test(path));
  const unknown = [
    '/nothing-there',
    '/nothing/at/all',
    '/now/',
    '/now//',
    '/%6eow',
    '/%2e%2e/.env',
    '/now?x=1',
  ];
  /** All that they get to see. */
  const seen = async (path: string, method: string, headers: Record<string, string>) => {
    const answer = await page.ask(path, { method, headers });
    // Of one second or the next.
    answer.headers.delete('date');
    return JSON.stringify([answer.status, Object.fromEntries(answer.headers), await answer.text()]);
  };

  test('is told the same at every address, whether there is something or not, however they ask', async () => {
    expect(known()).toEqual(
      expect.arrayContaining(['/now', '/money', '/sessions/some-id', '/act', '/now/live']),
    );
    const own = { Origin: page.url };
    for (const headers of [
      {},
      own,
      { ...own, Cookie: 'nostr-dm-agent=guessed' },
      { Origin: 'http://127.0.0.1:1' },
    ]) {
      for (const method of methods) {
        const usual = await seen('/', method, headers);
        for (const path of [...known(), ...unknown])
          expect([method, path, await seen(path, method, headers)]).toEqual([method, path, usual]);
      }
    }
    expect(await (await page.ask('/now')).text()).toContain('!page');
  });

  test('learns nothing at the doors but that there is a bot', async () => {
    const ways = page.paths.filter((path) => doors.test(fill(path)));
    expect(ways.toSorted()).toEqual(
      ['/assets/:name', '/enter/:secret', '/health', '/metrics', '/sign-in', '/sign-in/challenge'].toSorted(),
    );
    for (const method of methods) {
      const headers = { Origin: page.url };
      const ofNobody = await seen('/enter/guessed', method, headers);
      for (const path of ['/enter/some-id', `/enter/${'a'.repeat(43)}`])
        expect(await seen(path, method, headers)).toBe(ofNobody);
    }
  });

  test('reads no figures, and of the health only whether it works', async () => {
    page.health.now = { parts: { wallet: { state: 'degraded', fact: 'The mint is away.' } } };
    expect((await page.ask('/metrics')).status).toBe(401);
    expect(await (await page.ask('/health')).json()).toEqual({ status: 'ok' });
    const headers = { Authorization: 'Bearer the key of the metrics' };
    expect(await (await page.ask('/metrics', { headers })).text()).toBe('wallet_sat 1240\n');
    expect(await (await page.ask('/health', { headers })).json()).toMatchObject({
      parts: { wallet: { fact: 'The mint is away.' } },
    });
    page.health.now = { parts: { relays: { state: 'down' } } };
    expect((await page.ask('/health')).status).toBe(503);
  });

  test('gets nothing by a name that leads here from elsewhere', async () => {
    for (const host of ['evil.example', 'evil.example:7777', '127.0.0.1.evil.example', '']) {
      const answer = await page.ask('/health', { headers: { Host: host } });
      expect([host, answer.status]).toEqual([host, 421]);
    }
    expect((await page.ask('/health', { headers: { Host: 'localhost:8080' } })).status).toBe(503);
  });

  test('can’t make it read much', async () => {
    const answer = await page.post('/sign-in', { body: 'x'.repeat(100_000) });
    expect(answer.status).toBe(413);
  });
});

test('nothing is loaded from elsewhere, and nothing is kept by the browser', async () => {
  for (const path of [
    '/',
    '/enter/guessed',
    '/health',
    '/assets/page.js',
    '/assets/page.css',
    '/assets/../package.json',
  ]) {
    const { headers } = await page.ask(path);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toMatch(/^no-(store|cache)$/);
  }
  expect((await page.ask('/assets/page.js')).status).toBe(200);
});
