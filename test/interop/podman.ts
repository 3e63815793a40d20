import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const projectFolder = resolve(import.meta.dir, '../..');

/**
 * Podman with a storage of its own: what is built here is gone afterwards. CONTAINER_STORAGE=… is kept, so that the next time builds
 * less; CONTAINER_IMAGE=… is not built at all.
 */
export function openPodman() {
  const given = process.env.CONTAINER_STORAGE;
  const storage = given ?? mkdtempSync(join(tmpdir(), 'nostr-dm-agent-podman-'));
  // What runs here may itself be in a sandbox: control groups of both versions at once, no right to raise limits.
  const isHybrid = existsSync('/sys/fs/cgroup/unified');
  const within = isHybrid
    ? [
        ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c'],
        'umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"',
        'sh',
      ]
    : [];
  const limits = ['--ulimit', 'nofile=1024:4096', '--ulimit', 'nproc=1024:4096'];
  const places = [
    '--root',
    join(storage, 'pod'),
    '--runroot',
    join(storage, 'run'),
    '--storage-driver',
    'vfs',
  ];
  const command = (args: readonly string[]) => [...within, 'podman', ...places, ...args];
  const run = async (args: readonly string[]) => {
    const child = Bun.spawn(command(args), { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
    const [stdout, stderr, code] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    return { stdout, stderr, code };
  };
  const must = async (args: readonly string[]): Promise<string> => {
    const { stdout, stderr, code } = await run(args);
    if (code !== 0) throw new Error(`podman ${args[0]} ended with ${code}: ${stderr.slice(-2000)}`);
    return stdout;
  };
  return {
    run,
    must,
    /** Flags of every container here. */
    flags: ['--network=host', ...(isHybrid ? ['--cgroups=disabled', ...limits] : [])],
    image: () => process.env.CONTAINER_IMAGE ?? build(must, storage, isHybrid),
    remove: () => {
      if (given === undefined) rmSync(storage, { recursive: true, force: true });
    },
  };
}

type Must = (args: readonly string[]) => Promise<string>;

async function build(must: Must, storage: string, isHybrid: boolean): Promise<string> {
  const base = process.env.CONTAINER_BASE ?? (await makeBase(must, storage));
  await must([
    ...['build', '--format', 'docker', '--network=host', '--build-arg', `BASE=${base}`],
    ...(isHybrid ? ['--isolation=chroot'] : []),
    ...['--file', join(projectFolder, 'Containerfile'), '--tag', 'localhost/nostr-dm-agent', projectFolder],
  ]);
  return 'localhost/nostr-dm-agent';
}

/** Debian from the mirror that debootstrap knows for it, where no registry of images is in reach. */
async function makeBase(must: Must, storage: string): Promise<string> {
  const name = 'localhost/debian:bookworm';
  if ((await must(['images', '--quiet', name])).trim() !== '') return name;
  const folder = join(storage, 'base');
  const [made, tar] = [join(folder, 'root'), join(folder, 'root.tar')];
  const shell = [
    `mkdir -p "${made}"`,
    `debootstrap --variant=minbase --include=ca-certificates bookworm "${made}" >&2`,
    // Whoever is behind a proxy that makes certificates of its own has them here.
    `cp /etc/ssl/certs/ca-certificates.crt "${made}/host-ca.crt"`,
    `tar -C "${made}" -cf "${tar}" .`,
  ].join(' && ');
  const child = Bun.spawn(['sh', '-c', shell], { stdout: 'ignore', stderr: 'inherit' });
  if ((await child.exited) !== 0 || statSync(tar).size === 0) throw new Error('no base could be made');
  await must(['import', '--change', 'ENV NODE_EXTRA_CA_CERTS=/host-ca.crt', tar, name]);
  rmSync(folder, { recursive: true, force: true });
  return name;
}
