import { expect, test } from 'bun:test';
import type { Login } from '../../src/backends/payment.ts';
import { connect } from '../../src/backends/warm/client.ts';
import { giveLogin, type HeldLogin } from '../../src/backends/warm/credentials.ts';

const key = (value: string): Login => ({ provider: 'acme', auth: { type: 'api', key: value } });
const token: Login = {
  provider: 'acme',
  auth: { type: 'oauth', access: 'of the hour', refresh: 'of the hour', expires: 4_000_000_000_000 },
};

/** What speaks for a server: it fails so often, then takes it. */
function failing(times: number, login: HeldLogin = { now: undefined }) {
  const heard: string[] = [];
  const server = Bun.serve({
    ...{ hostname: '127.0.0.1', port: 0 },
    fetch: (request) => {
      heard.push(`${request.method} ${new URL(request.url).pathname}`);
      return heard.length > times ? Response.json(true) : Response.json({}, { status: 500 });
    },
  });
  const waited: number[] = [];
  const { client } = connect(`http://127.0.0.1:${server.port}`, 'password', '/work');
  const give = (of: Login) =>
    giveLogin({ client, login }, of, AbortSignal.timeout(10_000), async (ms) => waited.push(ms));
  return { heard, waited, give, [Symbol.asyncDispose]: () => server.stop(true) };
}

test('a key is given to a server that runs, tried four times, and is in no file once it is loaded', async () => {
  await using easy = failing(0);
  const first = ['PUT /auth/acme', 'GET /config/providers', 'DELETE /auth/acme'];
  await easy.give(key('one'));
  expect(easy.heard).toEqual(first);
  await easy.give(key('one'));
  expect(easy.heard).toHaveLength(3);
  await easy.give(key('two'));
  expect(easy.heard.slice(3)).toEqual([first[0] ?? '', 'POST /instance/dispose', ...first.slice(1)]);

  await using hard = failing(3);
  await hard.give(key('one'));
  expect(hard.waited).toEqual([1_000, 2_000, 4_000]);
  await using never = failing(9);
  await expect(never.give(key('one'))).rejects.toBeDefined();
  expect(never.waited).toEqual([1_000, 2_000, 4_000]);
});

test('a token of a login takes the place of the last one without loading anything anew', async () => {
  await using server = failing(0, { now: token });
  await server.give(token);
  await server.give({ ...token, auth: { ...token.auth, access: 'of the next' } as Login['auth'] });
  expect(server.heard).toEqual(['PUT /auth/acme']);
});
