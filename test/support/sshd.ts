import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';

const sh = (...command: readonly string[]): void => {
  const { exitCode, stderr } = Bun.spawnSync([...command]);
  if (exitCode !== 0) throw new Error(`${command.join(' ')}: ${stderr.toString()}`);
};

/** Bun's own word on it is the environment's. */
const user = (): string => Bun.spawnSync(['id', '-un']).stdout.toString().trim();

const freePort = async (): Promise<number> => {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  server.close();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
};

/** Processes with an entry in their environment that begins so. */
const withEnvironment = (entry: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => environmentOf(pid).some((one) => one.startsWith(entry)));

const environmentOf = (pid: number): readonly string[] => {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return []; // ended meanwhile, or not ours
  }
};

/**
 * An agent host on loopback: an sshd with keys and a port of its own, whose user's home is a folder of the test's.
 * @param opencode the binary that is installed there; undefined: none
 */
export async function startSshHost(name: string, directory: string, opencode: string | undefined) {
  const place = join(directory, name);
  const home = join(place, 'home');
  const work = join(place, 'work');
  for (const folder of [home, work]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (opencode !== undefined) {
    mkdirSync(join(home, '.opencode/bin'), { recursive: true });
    symlinkSync(opencode, join(home, '.opencode/bin/opencode'));
  }
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  sh('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(place, 'host_key'));
  const port = await freePort();
  const authorized = join(place, 'authorized_keys');
  writeFileSync(authorized, '', { mode: 0o600 });
  writeFileSync(
    join(place, 'sshd_config'),
    [
      ...[`Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${join(place, 'host_key')}`, 'PidFile none'],
      ...[`AuthorizedKeysFile ${authorized}`, 'UsePAM no', 'StrictModes no', 'PasswordAuthentication no'],
      ...['AllowStreamLocalForwarding yes', `SetEnv HOME=${home}`, ''],
    ].join('\n'),
  );
  let server: Bun.Subprocess | undefined;
  const start = async (): Promise<void> => {
    server = Bun.spawn(['/usr/sbin/sshd', '-D', '-e', '-f', join(place, 'sshd_config')], {
      stdio: ['ignore', 'ignore', Bun.file(join(place, 'sshd.log'))],
    });
    await until(
      () => readFileSync(join(place, 'sshd.log'), 'utf8').includes('Server listening'),
      'sshd listens',
    );
  };
  await start();
  return {
    ...{ name, home, work, port, place, start },
    /** As `known_hosts` has it. */
    knownKey: `[127.0.0.1]:${port} ${readFileSync(join(place, 'host_key.pub'), 'utf8').split(' ').slice(0, 2).join(' ')}\n`,
    /** An entry of `BOT_AGENT_HOSTS`. */
    entry: `${name}=${user()}@127.0.0.1:${port}${work}`,
    letIn: (publicKey: string): void =>
      writeFileSync(authorized, `restrict,port-forwarding ${publicKey}`, { mode: 0o600 }),
    /** The listener, and every connection that it has: as if the machine were gone. */
    kill: async (): Promise<void> => {
      const all = [server?.pid ?? 0, ...childrenOf(server?.pid ?? 0)];
      for (const pid of all) if (pid > 0) process.kill(pid, 'SIGKILL');
      await server?.exited;
    },
    /** Processes of its user's: whatever has this home. */
    processes: (): readonly number[] => withEnvironment(`HOME=${home}`),
    /** How many programs of bots' are at work there. */
    driver: (): number =>
      withEnvironment('NOSTR_DM_AGENT_HOST=').filter((pid) => environmentOf(pid).includes(`HOME=${home}`))
        .length,
    stop: async (): Promise<void> => {
      server?.kill('SIGTERM');
      await server?.exited;
    },
  };
}
export type SshHost = Awaited<ReturnType<typeof startSshHost>>;

const parentOf = (pid: number): number => Number(/^PPid:\s+(\d+)/m.exec(readStatus(pid))?.[1] ?? 0);
const readStatus = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
};
/** sshd's own processes, not what they started: those have to end by themselves. */
const childrenOf = (pid: number): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => parentOf(each) === pid && /^Name:\s+sshd/m.test(readStatus(each)))
    .flatMap((each) => [each, ...childrenOf(each)]);
