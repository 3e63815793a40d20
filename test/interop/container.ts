// The image that the Containerfile makes, built and run by podman, with the jail inside it: `bun run test:container` (needs podman, and
// debootstrap where no registry of images is in reach; as root, or as a user with subuids). See docs/operate.md.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { type SandboxRelay, startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { createOwner } from '../support/owner.ts';
import { openPodman, projectFolder } from './podman.ts';

const podman = openPodman();
const root = mkdtempSync(join(tmpdir(), 'nostr-dm-agent-container-'));
let image: string;
let relay: SandboxRelay;
beforeAll(async () => {
  image = await podman.image();
  relay = startSandboxRelay();
}, 1_200_000);
afterAll(async () => {
  await relay?.stop();
  podman.remove();
  rmSync(root, { recursive: true, force: true });
});

/** The user of the image. */
const uid = 1000;
/** A folder of that user's, as the host's files are owned where root runs it. */
function folder(name: string): string {
  const path = join(root, name);
  mkdirSync(path, { mode: 0o700 });
  if (process.getuid?.() === 0) chownSync(path, uid, uid);
  return path;
}
chmodSync(root, 0o755);

type Check = { Test?: string[] };

test('it is not root, has a health check, and holds the program and nothing else of this machine', async () => {
  const [config] = JSON.parse(await podman.must(['image', 'inspect', image])) as [
    { Config: { User: string; Env: string[]; Healthcheck?: Check }; Healthcheck?: Check },
  ];
  expect(config.Config.User).toBe('bot');
  const { Test: check = [] } = config.Healthcheck ?? config.Config.Healthcheck ?? {};
  expect(check.join(' ')).toContain('/health');
  expect(config.Config.Env.filter((each) => /^(?:BOT_KEY|CASHU_MNEMONIC)=/.test(each))).toEqual([]);
  const look =
    'id -u; ls -A /opt/nostr-dm-agent; find /opt/nostr-dm-agent /data /home -name .env -o -name .git | head';
  const { stdout } = await podman.run([
    'run',
    '--rm',
    ...podman.flags,
    '--entrypoint',
    'sh',
    image,
    '-c',
    look,
  ]);
  expect(stdout.trim().split('\n').toSorted()).toEqual(
    [
      `${uid}`,
      '.env.example',
      'LICENSE',
      'bun.lock',
      'bunfig.toml',
      'node_modules',
      'opencode.json',
      'package.json',
    ]
      .concat(['packages', 'src'])
      .toSorted(),
  );
});

test('it answers its owner with its key from a secret, is healthy, and stops', async () => {
  const [botKey, ownerKey] = [generateSecretKey(), generateSecretKey()];
  const [secrets, data, workspace] = [folder('secrets'), folder('data'), folder('workspace')];
  const secret = join(secrets, 'BOT_KEY');
  writeFileSync(secret, Buffer.from(botKey).toString('hex'), { mode: 0o400 });
  if (process.getuid?.() === 0) chownSync(secret, uid, uid);
  const name = `bot-${process.pid}`;
  const settings = { BOT_OWNERS: publicKeyOf(ownerKey), BOT_RELAYS: relay.url, BOT_PAGE: '127.0.0.1:17877' };
  await podman.must([
    ...['run', '--detach', '--name', name, ...podman.flags, '--security-opt', 'unmask=ALL'],
    ...['--volume', `${secrets}:/run/secrets:ro`, '--volume', `${data}:/data`],
    ...['--volume', `${workspace}:/workspace`],
    ...Object.entries(settings).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    image,
  ]);
  const owner = await createOwner(relay.url, publicKeyOf(botKey), ownerKey);
  try {
    const logs = async () => {
      const { stdout, stderr } = await podman.run(['logs', name]);
      return stdout + stderr;
    };
    await until(async () => (await logs()).includes('"msg":"the page is served"'), 'it is ready', 120_000);
    const ask = async (text: string) => (await owner.answer(await owner.send(text), /./)).text;
    expect(await ask('!status')).toContain('Relays: 1 of 1');
    const jailed = await ask(
      '!sh id -u; ls -d /data /opt/nostr-dm-agent /run/secrets 2>/dev/null; echo done > it; cat it',
    );
    expect(jailed).toStartWith('1000\ndone');
    const checked = await podman.run(['exec', name, 'curl', '-fsS', 'http://127.0.0.1:17877/health']);
    expect({ code: checked.code, stdout: checked.stdout }).toEqual({ code: 0, stdout: '{"status":"ok"}' });
    expect(await logs()).not.toContain(Buffer.from(botKey).toString('hex'));
    await podman.must(['stop', '--time', '20', name]);
    const state = await podman.must(['inspect', '--format', '{{.State.ExitCode}}', name]);
    expect(state.trim()).toBe('0');
  } finally {
    owner.close();
    await podman.run(['rm', '--force', name]);
  }
}, 300_000);

test('which wall agents get inside, and what it costs there', async () => {
  const options = {
    'as it is': [],
    'unmask=ALL': ['--security-opt', 'unmask=ALL'],
    'unmask=ALL, no new privileges, no capability': [
      ...['--security-opt', 'unmask=ALL', '--security-opt', 'no-new-privileges', '--cap-drop', 'ALL'],
    ],
  };
  const bench = 'bench/jail.ts';
  const medians = (text: string) =>
    Object.fromEntries(
      Array.from(text.matchAll(/^(\w+) +median ([\d.]+) ms/gm), ([, wall = '', ms]) => [wall, Number(ms)]),
    );
  const outside = Bun.spawn([process.execPath, join(projectFolder, bench)], {
    stdout: 'pipe',
    stderr: 'ignore',
  });
  const found: Record<string, Record<string, number>> = { outside: medians(await outside.stdout.text()) };
  for (const [name, flags] of Object.entries(options)) {
    const { stdout } = await podman.run([
      ...['run', '--rm', ...podman.flags, ...flags, '--tmpfs', '/tmp:exec'],
      ...['--volume', `${join(projectFolder, 'bench')}:/opt/nostr-dm-agent/bench:ro`],
      ...['--entrypoint', '/usr/local/bin/bun', image, `/opt/nostr-dm-agent/${bench}`],
    ]);
    found[name] = medians(stdout);
  }
  process.stderr.write(`${JSON.stringify(found, undefined, 2)}\n`);
  expect(Object.keys(found['as it is'] ?? {})).toEqual(['none', 'landlock']);
  expect(Object.keys(found['unmask=ALL'] ?? {})).toContain('bwrap');
  expect(Object.keys(found['unmask=ALL, no new privileges, no capability'] ?? {})).toContain('bwrap');
}, 600_000);
