import { expect, test } from 'bun:test';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type JailPlace, makeJailPlace, type Story } from '../support/jail.ts';
import { asEverybody } from '../support/jail-stories.ts';

const hasTmux = Bun.which('tmux') !== null;
const attack = readFileSync(join(import.meta.dir, 'red-team/attack.sh'), 'utf8');
const poison = readFileSync(join(import.meta.dir, 'red-team/poison.sh'), 'utf8');
const ownAddresses = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .filter(({ internal, scopeid }) => !internal && !scopeid)
  .map(({ address }) => (address.includes(':') ? `'[${address}]'` : address));

/** What an attacker would find outside, all of it alive. */
const setTheScene = (place: JailPlace) => {
  const decoys = place.folder('decoy');
  place.file('decoy/home/.ssh/id_ed25519', 'DECOY_SECRET_KEY');
  const env = place.file('decoy/bot/.env', 'DECOY_SECRET');
  place.file('decoy/bot/.env.backup-1', 'DECOY_SECRET');
  place.file('bot/bot.db', 'DECOY_SECRET');
  place.file('other-store/opencode.db', 'DECOY_SECRET');
  place.file('checkout/src/index.ts', '// DECOY_SECRET');
  const abstract = `jail-decoy-${process.pid}-${place.who.uid}`;
  const bot = place.outside(['/bin/sh', '-c', 'sleep 600 # decoy-of-the-bot'], { BOT_KEY: 'DECOY_SECRET' });
  const socket = place.outside([
    ...['python3', '-c'],
    `import socket
s=socket.socket(socket.AF_UNIX);s.bind("\\0${abstract}");s.listen()
print("listening",flush=True)
while True:
  c,_=s.accept();c.send(b"ABSTRACT");c.close()`,
  ]);
  const tmux = hasTmux
    ? [place.outside(['tmux', '-S', join(decoys, 'tmux'), 'new-session', '-d', 'sleep 600'])]
    : [];
  const fetch = () => new Response('LOOP');
  const service = Bun.serve({ port: 0, hostname: '0.0.0.0', fetch });
  const services = [service, Bun.serve({ port: Number(service.port), hostname: '::1', fetch })];
  if (bot.pid === undefined) throw new Error('no bot');
  const renames = setInterval(() => {
    writeFileSync(`${env}.new`, 'DECOY_SECRET_NEW');
    renameSync(`${env}.new`, env);
  }, 300);
  const listening = new Promise<void>((done) => socket.stdout?.once('data', () => done()));
  const variables = {
    D: decoys,
    DECOY_PID: `${bot.pid}`,
    HOST_UID: `${place.who.uid}`,
    PORT: `${service.port}`,
    ABSTRACT: abstract,
    CHECKOUT: join(place.root, 'checkout'),
    DECOY_HOME: place.home,
    OTHER: join(place.root, 'other-store'),
    HOST_ADDRESSES: ownAddresses.join(' '),
  };
  const end = (): void => {
    clearInterval(renames);
    if (hasTmux) place.outside(['tmux', '-S', join(decoys, 'tmux'), 'kill-server']);
    for (const child of [bot, socket, ...tmux]) child.kill('SIGKILL');
    for (const one of services) one.stop(true);
  };
  return { variables, listening, end };
};

type Verdict = { readonly name: string; readonly open: boolean; readonly line: string };
const verdictsOf = (output: string): readonly Verdict[] =>
  output.split('\n').flatMap((line) => {
    const [, said, name] = /^(OPEN|closed) +(.*?)(?:: .*)?$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, open: said === 'OPEN', line }];
  });
const openOf = (output: string): readonly string[] =>
  verdictsOf(output).flatMap(({ open, line, name }) => (open && name !== 'self-test' ? [line] : []));
const provesSomething = (output: string): boolean =>
  verdictsOf(output).some(({ name, open }) => name === 'self-test' && open) && / open$/m.test(output);

/** What has to be a way out where there is no wall: else the script would find nothing anywhere. */
const openWithoutWall = [
  ...(hasTmux ? ['tmux of the host'] : []),
  ...['environ of another process', 'the bot by its pid', 'commands of processes outside'],
  ...['a socket below /run, /var, /tmp', 'an abstract socket is listed', 'an abstract socket is connected'],
  ...[
    'a service on the loopback of the host',
    'the same by IPv6',
    'decoys by their path',
    '.env and its backups',
  ],
  ...['.env while it is replaced by rename', 'the home of the bot', 'the store of another owner'],
  ...['the code of the bot', 'who lives here', 'the host by .. from the workspace'],
];

const makeRepository = (place: JailPlace): void => {
  for (const folder of ['workspace', 'workspace/sub']) {
    place.folder(folder);
    const git = place.outside(['git', 'init', '--quiet', join(place.root, folder)]);
    git.stderr?.resume();
  }
  place.file('workspace/opencode.json', '{"plug\\u0069n":["./evil.ts"]}');
  place.file('workspace/.opencode/plugin/evil.ts', 'export default {}');
};

await asEverybody((who) => {
  const attackFrom = async (place: JailPlace, story: Story, environment: Record<string, string> = {}) => {
    const scene = setTheScene(place);
    try {
      await scene.listening;
      return await place.tell({
        ...story,
        launch: { environment: { ...scene.variables, ...environment }, ...story.launch },
        stdin: attack,
        script: 'exec bash -s',
        timeoutMs: 280_000,
      });
    } finally {
      scene.end();
    }
  };

  test('the red team gets through where there is no wall, so its script can find ways out', async () => {
    const place = makeJailPlace(who);
    const out = join(place.root, 'attack-output');
    const { stdout } = await attackFrom(
      place,
      { settings: { isolation: 'none' } },
      { SKIP_KERNEL: '1', ATTACK_OUT: out },
    );
    place.remove();
    const open = verdictsOf(stdout).flatMap(({ name, open: is }) => (is ? [name] : []));
    expect(openWithoutWall.filter((name) => !open.includes(name))).toEqual([]);
  }, 300_000);

  test('nothing that it tries gets through the jail', async () => {
    const place = makeJailPlace(who);
    makeRepository(place);
    const { stdout, stderr } = await attackFrom(place, {});
    expect({ proves: provesSomething(stdout), stderr }).toMatchObject({ proves: true });
    expect(openOf(stdout)).toEqual([]);
    place.remove();
  }, 300_000);

  test('what an earlier run leaves behind is gone, and no process of it lives on', async () => {
    const place = makeJailPlace(who);
    const seconds = `7${process.pid}.${who.uid}`;
    const { stdout } = await place.tell({
      script: poison,
      launch: { environment: { SURVIVOR: seconds } },
    });
    expect(stdout).toContain('poisoned');
    const living = readdirSync('/proc').filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(seconds);
      } catch {
        return false;
      }
    });
    expect(living).toEqual([]);
    expect(readdirSync(place.store).sort()).toContain('opencode.db');
    const next = await place.tell({
      script: 'ls -A /run/jail/store; ls -d ~/.cache/opencode ~/.bashrc /tmp/left 2>/dev/null; true',
    });
    expect(next.stdout).toBe('');
    place.remove();
  }, 60_000);
});
