import { expect, test } from 'bun:test';
import { connect } from '../../src/backends/warm/client.ts';
import { handOverCredentials } from '../../src/backends/warm/credentials.ts';

const payment = {
  credentials: 'provided',
  variables: { ACME_API_KEY: 'sk-acme' },
  configuration: { enabled_providers: ['acme'] },
} as const;

/** What speaks for a server: it fails so often, then takes it. */
function failing(times: number) {
  const heard: unknown[] = [];
  const server = Bun.serve({
    ...{ hostname: '127.0.0.1', port: 0 },
    fetch: async (request) => {
      heard.push([request.method, new URL(request.url).pathname, await request.json()]);
      return heard.length > times ? Response.json(true) : Response.json({}, { status: 500 });
    },
  });
  const waited: number[] = [];
  const handOver = (of: Parameters<typeof handOverCredentials>[1] = payment) =>
    handOverCredentials(
      connect(`http://127.0.0.1:${server.port}`, 'password', '/work'),
      of,
      AbortSignal.timeout(10_000),
      async (ms) => waited.push(ms),
    );
  return { heard, waited, handOver, [Symbol.asyncDispose]: () => server.stop(true) };
}

test('a key that the configuration does not name is handed over by opencode’s own login, tried four times', async () => {
  await using easy = failing(0);
  await easy.handOver();
  expect(easy.heard).toEqual([['PUT', '/auth/acme', { type: 'api', key: 'sk-acme' }]]);
  await using hard = failing(3);
  await hard.handOver();
  expect(hard.waited).toEqual([1_000, 2_000, 4_000]);
  expect(hard.heard).toHaveLength(4);
  await using never = failing(9);
  await expect(never.handOver()).rejects.toBeDefined();
  expect(never.waited).toEqual([1_000, 2_000, 4_000]);
});

test('a key that the configuration names, and an own login, need no handing over', async () => {
  await using server = failing(0);
  const provider = { acme: { options: { apiKey: '{env:ACME_API_KEY}' } } };
  await server.handOver({ ...payment, configuration: { ...payment.configuration, provider } });
  await server.handOver({ ...payment, credentials: 'own' });
  expect(server.heard).toEqual([]);
});
