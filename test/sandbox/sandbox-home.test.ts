import { expect, test } from 'bun:test';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { connectRelay, signEvent } from '@nostr-dm-agent/nostr';
import { createRumor, createSeal, createWrap, unwrapEvent } from 'nostr-tools/nip59';
import type { Config } from '../../src/config/config.ts';
import { runSandbox, type SandboxParts } from '../../src/sandbox/run-sandbox.ts';

class Collected extends Writable {
  text = '';
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** The sandbox with a bot that echoes and a model that is only counted. */
function startScene(options: { keep?: boolean; verbose?: boolean; failing?: boolean } = {}) {
  const events: string[] = [];
  const configs: Config[] = [];
  const [input, output, error] = [new PassThrough(), new Collected(), new Collected()];
  const ended = new AbortController();
  const startApp: SandboxParts['startApp'] = async (config, { log }) => {
    configs.push(config);
    events.push('bot started');
    if (options.failing === true) throw new Error('the bot does not start');
    log.info({ secretKey: config.identity.secretKey }, `key ${hexOf(config)}`);
    const [url] = config.relays;
    const [owner] = config.owners;
    if (url === undefined || owner === undefined) throw new Error('a configuration without relay or owner');
    const { publicKey, secretKey } = config.identity;
    const connection = connectRelay({
      url,
      own: false,
      sign: async (template) => signEvent(template, secretKey),
      clock: systemClock,
      random: seededRandom(1),
      log,
    });
    const leaving = new AbortController();
    connection.subscribe(
      {
        filters: () => [{ kinds: [1059], '#p': [publicKey] }],
        onEvent: (wrap) => {
          const { id, content } = unwrapEvent(wrap, secretKey);
          const tags = [
            ['p', owner.publicKey],
            ['e', id],
          ];
          const rumor = createRumor({ kind: 14, content: `echo ${content}`, tags }, secretKey);
          const seal = createSeal(rumor, secretKey, owner.publicKey);
          void connection.publish(createWrap(seal, owner.publicKey), 10_000, leaving.signal);
        },
      },
      leaving.signal,
    );
    return {
      stop: async () => {
        events.push('bot stopped');
        writeFileSync(join(config.home, 'last words'), '');
        leaving.abort();
        connection.close();
      },
    };
  };
  const startModel: SandboxParts['startModel'] = async () => {
    events.push('model started');
    return {
      description: 'none',
      upstream: { baseUrl: 'http://127.0.0.1:1/v1' },
      stop: async () => void events.push('model stopped'),
    };
  };
  const result = runSandbox(
    {
      keep: options.keep ?? false,
      verbose: options.verbose ?? false,
      deadlineMs: 20_000,
      terminal: false,
      input,
      output,
      error,
      environment: { PATH: '/usr/bin', HOME: '/home/of/the/user', OPENAI_API_KEY: 'x', BOT_KEY: 'x' },
    },
    { startApp, startModel },
    ended.signal,
  );
  const homeOf = () => join(configs[0]?.home ?? '', '..');
  return { events, configs, input, output, error, ended, result, homeOf };
}

const hexOf = ({ identity }: Config) => Buffer.from(identity.secretKey).toString('hex');

test('a line goes to the bot and back; then all is stopped in order and the home is gone', async () => {
  const scene = startScene();
  scene.input.write('one\n');
  await until(() => scene.output.text !== '', 'the answer');
  expect(statSync(scene.homeOf()).mode & 0o777).toBe(0o700);
  scene.input.end('two\n');
  expect(await scene.result).toBe(0);
  expect(scene.output.text).toBe('bot> echo one\nbot> echo two\n');
  expect(scene.events).toEqual(['model started', 'bot started', 'bot stopped', 'model stopped']);
  expect(scene.error.text).toMatch(
    /^relay {3}ws:.*\nmodel {3}none\nmint .*\nnode .*\nwallet {2}10,000 sat .*\nbot {5}in .*\nready\n/,
  );
  expect(existsSync(scene.homeOf())).toBe(false);
});

test("nothing of the user's own reaches the bot's configuration", async () => {
  const scene = startScene();
  scene.input.end();
  expect(await scene.result).toBe(0);
  expect(scene.configs[0]?.ambient).toEqual({
    PATH: '/usr/bin',
    HOME: join(scene.homeOf(), 'user'),
    OPENCODE_DISABLE_MODELS_FETCH: '1',
  });
});

test('--keep keeps the home and says where, with a log in it that holds no key', async () => {
  const scene = startScene({ keep: true });
  scene.input.end('x\n');
  expect(await scene.result).toBe(0);
  const home = scene.homeOf();
  try {
    expect(scene.error.text).toContain(`${home} (kept)`);
    const log = readFileSync(join(home, 'bot', 'logs', 'bot.log'), 'utf8');
    expect(log).toContain('[redacted]');
    const [config] = scene.configs;
    if (config === undefined) throw new Error('the bot was not started');
    expect(log).not.toContain(hexOf(config));
    expect(statSync(join(home, 'bot', 'logs', 'bot.log')).mode & 0o777).toBe(0o600);
    expect(scene.error.text).not.toContain('"msg"');
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test("--verbose shows the bot's log beside the chat", async () => {
  const scene = startScene({ verbose: true });
  scene.input.end('x\n');
  expect(await scene.result).toBe(0);
  expect(scene.error.text).toContain('"msg":"key [redacted]"');
  expect(scene.output.text).toBe('bot> echo x\n');
});

test('a bot that does not start leaves nothing behind', async () => {
  const scene = startScene({ failing: true });
  const failure = await scene.result.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Error);
  expect(scene.events).toEqual(['model started', 'bot started', 'model stopped']);
  expect(existsSync(scene.homeOf())).toBe(false);
});

test('a signal ends it in order, too', async () => {
  const scene = startScene();
  scene.input.write('one\n');
  await until(() => scene.output.text !== '', 'the answer');
  scene.ended.abort();
  expect(await scene.result).toBe(1);
  expect(scene.events.slice(-2)).toEqual(['bot stopped', 'model stopped']);
  expect(existsSync(scene.homeOf())).toBe(false);
});
