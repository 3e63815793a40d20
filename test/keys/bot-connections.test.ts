import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { generateSecretKey } from 'nostr-tools/pure';
import { bytesToHex } from 'nostr-tools/utils';
import { startTestBot, type TestBot } from '../support/bot.ts';
import { filesHolding } from '../support/files.ts';
import { newKey, only, sendElsewhere, startKeyProvider } from '../support/key-providers.ts';

let bot: TestBot;
let anthropic: ReturnType<typeof startKeyProvider>;
let openrouter: ReturnType<typeof startKeyProvider>;
const key = newKey('sk-ant-api03-');
const other = newKey('sk-ant-api03-');

beforeEach(async () => {
  anthropic = startKeyProvider(only(key, other));
  bot = await startTestBot({ env: { LOG_LEVEL: 'debug', ANTHROPIC_API_KEY: 'sk-ant-of-the-host-itself' } });
  openrouter = startKeyProvider(() => undefined);
  await sendElsewhere(bot.home, {
    ...{ anthropic: anthropic.url, openrouter: openrouter.url, mistral: openrouter.url },
    groq: 'http://127.0.0.1:9/v1',
  });
});
afterEach(async () => {
  await bot.cleanUp();
  await Promise.all([anthropic.stop(), openrouter.stop()]);
});

const ask = async (text: string, pattern?: RegExp): Promise<string> =>
  (await bot.owner.answer(await bot.owner.send(text), pattern)).text;

/** What agents saw: task, model, keys in the environment. */
const seen = (): readonly (readonly string[])[] =>
  readFileSync(join(bot.workspace, 'keys.txt'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t').map((field) => field.trim()));

const expectNoKeyAnywhere = (...keys: readonly string[]) => {
  expect(filesHolding(bot.home, keys)).toEqual([]);
  for (const one of keys) expect(bot.log()).not.toContain(one);
};

describe('a key of one’s own', () => {
  test('is checked, sealed, used by the runs that are to use it and by nothing else, and kept over a crash', async () => {
    expect(await ask('!provider list')).toStartWith('No provider is connected with a key of yours.');
    const connected = await ask(`!provider connect anthropic ${key}`);
    expect(connected).toStartWith(
      'Connected to Anthropic. Anthropic accepts the key.\n!provider set anthropic',
    );
    expect(connected).toContain('delete your message');
    expect(anthropic.asked).toEqual([
      { path: '/v1/models', key },
      { path: '/v1/models', key: undefined },
    ]);
    await ask('local still pays');
    expect(await ask('!provider set anthropic')).toContain('your own key at Anthropic pays');
    expect(await ask('mine pays', /mine pays/)).toEndWith('claude-sonnet-4-6');
    await bot.end('SIGKILL');
    expectNoKeyAnywhere(key);
    await bot.start();
    expect(await ask('after the crash', /after/)).toStartWith('did: after the crash');
    expect(seen()).toEqual([
      ['local still pays', '', 'ANTHROPIC_API_KEY=sk-ant-of-the-host-itself'],
      ['mine pays', 'anthropic/claude-sonnet-4-6', `ANTHROPIC_API_KEY=${key}`],
      ['after the crash', 'anthropic/claude-sonnet-4-6', `ANTHROPIC_API_KEY=${key}`],
    ]);
    expect(await ask('!provider list')).toMatch(/^anthropic · connected · used .+ · preferred\n/);
    expect(await ask('!status')).toContain('Provider: anthropic (your own key)');
    expect(await ask('!history')).not.toContain(key);
    expectNoKeyAnywhere(key);
  });

  test('takes the place of another only when its owner says so', async () => {
    await ask(`!provider connect anthropic ${key}`);
    expect(await ask(`!provider connect anthropic ${key}`)).toContain('with this very key already');
    const question = await ask(`!provider connect anthropic ${other}`);
    expect(question).toContain('You have a connection to Anthropic already');
    expect(question).toContain('!provider connect anthropic replace');
    await ask('!provider set anthropic');
    await ask('before');
    expect(await ask('!provider connect anthropic replace')).toStartWith('Replaced the key for Anthropic.');
    await ask('after');
    expect(seen().map(([task, , keys]) => [task, keys])).toEqual([
      ['before', `ANTHROPIC_API_KEY=${key}`],
      ['after', `ANTHROPIC_API_KEY=${other}`],
    ]);
    expect(await ask('!provider connect anthropic replace')).toContain('No key for anthropic waits');
    expectNoKeyAnywhere(key, other);
  });

  test('comes from a command that an address announces: its owner is shown it, and brings what it printed', async () => {
    const [token, next] = [`printed.${newKey('')}`, `printed.${newKey('')}`];
    const corp = startKeyProvider(only(token, next));
    const ran = join(bot.home, 'ran');
    let models: Readonly<Record<string, unknown>> = { large: {} };
    const address = Bun.serve({
      ...{ hostname: '127.0.0.1', port: 0 },
      fetch: () =>
        Response.json({
          auth: { command: ['sh', '-c', `touch ${ran}; echo key`], env: 'CORP_TOKEN' },
          config: {
            permission: 'allow',
            provider: {
              corp: { name: 'Corp AI', npm: '@ai-sdk/openai', options: { baseURL: corp.url }, models },
            },
          },
        }),
    });
    const id = `127.0.0.1:${address.port}`;
    const shown = await ask(`!provider connect ${id}`);
    expect(shown).toStartWith(
      `Corp AI (${id}) announces 1 model; what your tasks send would go to 127.0.0.1:`,
    );
    expect(shown).toContain(`\nsh -c 'touch ${ran}; echo key'\n`);
    expect(shown).toContain(`The bot never runs it.`);
    expect(shown).toContain(`send what it prints: !provider connect ${id} <key>`);
    expect(shown).toContain('Its other settings are not taken: permission.');
    expect(shown).not.toContain('delete your message');
    expect(await ask('!provider list')).toStartWith('No provider is connected with a key of yours');
    expect(await ask(`!provider connect ${id} printed.${newKey('')}`)).toContain(
      '(401), so nothing was changed',
    );
    expect(await ask(`!provider connect ${id} ${key}`)).toContain('key of anthropic, not of');
    const connected = await ask(`!provider connect http://${id}/ "${token}"`);
    expect(connected).toStartWith(`Connected to Corp AI (${id}). Corp AI (${id}) accepts the key.`);
    expect(connected).toContain('\nWhat it is asked goes to 127.0.0.1:');
    expect(connected).toContain('delete your message');
    expect(await ask(`!provider set ${id}`)).toContain(`your own key at Corp AI (${id}) pays (${id}/large`);
    await ask('at the address');
    // Known by its address as well as by its name; what it announces is read anew with the key.
    expect(await ask(`!provider check http://${id}`)).toContain('accepts the key');
    models = { small: {} };
    expect(await ask(`!provider connect ${id} ${token}`)).toContain('with this very key already');
    expect(await ask(`!provider connect ${id}`)).toContain('You have a connection to it already');
    expect(await ask(`!provider connect ${id} ${next}`)).toContain(`!provider connect ${id} replace`);
    await bot.end('SIGKILL');
    await bot.start();
    expect(await ask(`!provider connect ${id} replace`)).toStartWith('Replaced the key for Corp AI');
    await ask('with the next key');
    expect(await ask('!provider list')).toMatch(/ · connected · used .+ · preferred\n/);
    expect(await ask(`!provider disconnect http://${id}`)).toStartWith('Disconnected: the bot has forgotten');
    expect(await ask('none left')).toContain(`You are not connected to ${id}, so local was used`);
    expect(seen()).toEqual([
      ['at the address', `${id}/large`, `ANNOUNCED_PROVIDER_KEY=${token}`],
      ['with the next key', `${id}/small`, `ANNOUNCED_PROVIDER_KEY=${next}`],
      ['none left', '', 'ANTHROPIC_API_KEY=sk-ant-of-the-host-itself'],
    ]);
    expect(existsSync(ran)).toBe(false);
    expectNoKeyAnywhere(token, next, 'CORP_TOKEN');
    await Promise.all([address.stop(true), corp.stop()]);
  });

  test('that is no key, or not taken, changes nothing; one that can’t be checked is connected and said to be unchecked', async () => {
    const away = ask(`!provider connect groq ${newKey('gsk_')}`);
    const bad = newKey('sk-ant-api03-');
    const odd = `4${newKey('').slice(0, 30)}a`;
    for (const [text, pattern] of [
      ['!provider connect', /provider and its key are missing/],
      ['!provider connect anthropic', /The key is missing\..*!provider connect anthropic <key>/s],
      [`!provider connect antropic ${bad}`, /no provider “antropic”\. Did you mean anthropic\?/],
      [`!provider connect ${bad}`, /looks like a key.*!provider connect anthropic <key>/s],
      [bad, /looks like a key.*!provider connect anthropic <key>/s],
      [`!provider connect groq ${bad}`, /key of anthropic, not of groq/],
      ['!provider connect anthropic <key>', /placeholder/],
      [`!provider connect anthropic ${bad.slice(0, 20)} ${bad.slice(20)}`, /no spaces/],
      [`!provider connect anthropic ${bad}`, /does not accept that key \(401\), so nothing was changed/],
      ['!provider connect routstr x', /!provider set routstr/],
      [`!provider connect azure ${bad}`, /more than a key \(AZURE_RESOURCE_NAME\).*opencode auth login/s],
      [`!provider connect github-copilot ${bad}`, /no API keys.*!provider connect github-copilot begins/s],
      [
        '!provider connect openai',
        /No server of opencode’s could be started for the login.*with a key: !provider connect openai <key>/s,
      ],
      ['!provider connect http://example.com', /over https alone/],
      ['!provider connect https://user:pass@example.com', /the host alone, without a path, a login/],
      ['!provider connect https://192.168.1.1', /by a host of the internet/],
      ['!provider connect http://127.0.0.1:9', /could not be reached/],
      ['!provider connect https://wafer.ai', /name wafer\.ai is taken/],
      [`!provder connect anthropic ${bad}`, /There is no command !provder\./],
      [
        `!provider set anthropic ${bad}`,
        /“anthropic \[key\]” is not a provider.*!provider connect <id> <key>/s,
      ],
      [`!provider anthropic ${odd}`, /no command !provider anthropic\..*delete your message/is],
      [`/provider connect mistral ${odd}`, /Mistral.*delete your message/s],
      [`${bad.slice(0, 25)}\n${bad.slice(25)}`, /looks like a key/],
      ['!provider disconnect anthropic', /no connection of that name/],
    ] as const) {
      const answer = await ask(text);
      expect(answer).toMatch(pattern);
      expect(answer).not.toContain(bad);
      if (text.includes(bad) || text.includes(odd)) expect(answer).toContain('delete your message');
    }
    expect(bot.tasksDone()).toEqual([]);
    anthropic.judge(() => undefined);
    expect(await ask(`!provider connect anthropic ${key}`)).toContain('no way to check a key for free');
    expect(await away).toContain('Groq could not be reached, so the key is not checked');
    expectNoKeyAnywhere(bad, odd, bad.slice(25));
  }, 60_000);
});

describe('when a connection fails', () => {
  test('a passing fault before anything was done is tried again; a 401 sets it to error and says how to fix it', async () => {
    await ask(`!provider connect anthropic ${key}`);
    await ask('!provider set anthropic');
    expect(await ask('fail 503 once', /fail/)).toContain('then it worked');
    expect(bot.tasksDone()).toEqual(['fail 503 once', 'fail 503 once']);
    const failed = await ask('fail 401', /401/);
    expect(failed).toContain('anthropic refused your key (401)');
    expect(failed).toContain('send !provider connect anthropic <key>, then !retry');
    const list = await ask('!provider list');
    expect(list).toMatch(/^anthropic · error · used .*\n {2}last error: 401 no more\n {2}!provider connect/);
    expect(await ask(`!provider connect anthropic ${other}`)).toStartWith('Replaced the key for Anthropic.');
    expect(await ask('it works again', /works/)).toStartWith('did: it works again');
    expect(await ask('!provider list')).toMatch(/^anthropic · connected/);
  });

  test('without it, local is used and said; a conversation under way stays with its own', async () => {
    await ask(`!provider connect anthropic ${key}`);
    await ask('!provider set anthropic');
    await ask('begins with anthropic');
    expect(await ask('!provider set local')).toContain(
      'This session stays with anthropic; !new begins one with local.',
    );
    await ask('goes on with anthropic');
    await ask('!new');
    await ask('now local');
    expect(await ask('!new docs anthropic')).toMatch(
      /^New session \w+ · docs · opencode · agent · anthropic\./,
    );
    await ask('!new app anthropic');
    await ask('named anthropic');
    expect(await ask('!provider disconnect anthropic')).toStartWith('Disconnected: the bot has forgotten');
    const instead = await ask('none left');
    expect(instead).toContain('which you are no longer connected to, so local was used.');
    expect(seen().map(([task, , keys]) => [task, keys?.endsWith(key)])).toEqual([
      ['begins with anthropic', true],
      ['goes on with anthropic', true],
      ['now local', false],
      ['named anthropic', true],
      ['none left', false],
    ]);
  });
});

describe('whatever happens to the bot', () => {
  test('a key that arrives while it is down, or whose check is cut off, is connected at the next start', async () => {
    const router = newKey('sk-or-v1-');
    const { promise: held, resolve: letGo } = Promise.withResolvers<Response>();
    anthropic.judge((asked) => (asked === undefined ? only()(asked) : held));
    const id = await bot.owner.send(`!provider connect anthropic ${key}`);
    await until(() => anthropic.asked.length > 0, 'the key is being checked');
    await bot.end('SIGKILL');
    expectNoKeyAnywhere(key);
    letGo(Response.json({}));
    anthropic.judge(only(key));
    const late = await bot.owner.send(`!provider connect openrouter ${router}`);
    await bot.start();
    expect((await bot.owner.answer(id)).text).toStartWith('Connected to Anthropic.');
    expect((await bot.owner.answer(late)).text).toStartWith('Connected to OpenRouter.');
    await bot.end('SIGTERM');
    expectNoKeyAnywhere(key, router);
  });

  test('with another key of its own it says what is locked; reseal with the old one opens it again', async () => {
    await ask(`!provider connect anthropic ${key}`);
    await ask('!provider set anthropic');
    const [before, after] = [bytesToHex(bot.secretKey), bytesToHex(generateSecretKey())];
    const envFile = join(bot.directory, 'no.env');
    await Bun.write(envFile, '');
    const reseal = (env: Readonly<Record<string, string>>) => {
      const child = Bun.spawnSync(
        [process.execPath, resolve(import.meta.dir, '../../src/index.ts'), 'reseal', '--env-file', envFile],
        { env: { ...bot.env, ...env }, cwd: bot.directory },
      );
      return { code: child.exitCode, said: `${child.stdout}${child.stderr}` };
    };
    expect(reseal({ BOT_KEY: after, BOT_KEY_OLD: before }).said).toContain('The bot is running');
    await bot.end('SIGTERM');
    expect(reseal({ BOT_KEY: after }).said).toContain('BOT_KEY_OLD is not set');
    expect(reseal({ BOT_KEY: after, BOT_KEY_OLD: bytesToHex(generateSecretKey()) })).toMatchObject({
      code: 1,
    });
    await bot.start({ BOT_KEY: after });
    await bot.end('SIGTERM');
    expect(bot.log()).toContain('credentials do not open with this key of the bot');
    expect(reseal({ BOT_KEY_OLD: before })).toEqual({
      code: 0,
      said: 'Resealed: 1. Sealed with the present key already: 0. Locked: 0.\n',
    });
    expect(reseal({ BOT_KEY_OLD: before }).said).toContain('present key already: 1');
    // Back to the first key, to which this owner's client still writes.
    expect(reseal({ BOT_KEY: before, BOT_KEY_OLD: after }).code).toBe(0);
    await bot.start({ BOT_KEY: before });
    await ask('opened again');
    expect(seen().at(-1)?.[2]).toBe(`ANTHROPIC_API_KEY=${key}`);
    expectNoKeyAnywhere(key);
  }, 60_000);
});
