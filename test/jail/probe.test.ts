import { expect, test } from 'bun:test';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createJail } from '../../src/backends/jail/index.ts';
import { landlockVersion, oldestLandlock } from '../../src/backends/jail/inside/landlock.ts';
import { seccompProgram } from '../../src/backends/jail/seccomp.ts';
import type { JailSettings, Wall } from '../../src/backends/jail/types.ts';
import { bubblewrapHere, makeJailPlace } from '../support/jail.ts';

const me = { name: 'me', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const signal = AbortSignal.timeout(120_000);
const flags =
  '--bind-fd FD --ro-bind-fd FD --disable-userns --ro-bind-data FD --size B --perms O --file FD --args FD ';

/** What the probe comes to with a bubblewrap that says this. */
const probe = async (
  script: string | undefined,
  isolation: JailSettings['isolation'] = 'bwrap',
): Promise<Wall> => {
  const place = makeJailPlace(me);
  const bin = place.folder('bin');
  if (script !== undefined) {
    writeFileSync(join(bin, 'bwrap'), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, 'bwrap'), 0o755);
  }
  const jail = createJail({
    ...{ isolation, network: 'internet', paths: [], workspaces: [], own: [], tools: [], home: place.home },
    ...{ ambient: { PATH: bin }, userHome: place.userHome, author: { name: undefined, email: undefined } },
  });
  const wall = await jail.wall(signal);
  place.remove();
  return wall;
};
const help = `[ "$1" != --help ] || { echo '${flags}'; exit 0; }`;

test('“none” is none, chosen by whoever said so', async () => {
  expect(await probe(undefined, 'none')).toEqual({ kind: 'none', chosen: true, problems: [] });
});

test.if((await bubblewrapHere(me)) === undefined)(
  'where all is allowed but a name for the jail, it goes without',
  async () => {
    const real = Bun.which('bwrap');
    // As Podman's own filter and ProtectHostname= have it. The flags come by a descriptor.
    const script = `for word; do [ "$last" = --args ] && tr '\\0' '\\n' < /proc/self/fd/$word | grep -q '^--hostname$' && {
    echo "bwrap: Can't set hostname to jail: Operation not permitted" >&2; exit 1; }; last=$word; done
    exec ${real} "$@"`;
    expect(await probe(script)).toEqual({ kind: 'bwrap', path: expect.any(String), unnamed: true });
  },
);

test.if(process.platform === 'linux')(
  'each way in which bubblewrap can be missing is a fact of its own',
  async () => {
    const cases: readonly (readonly [string | undefined, string, string | undefined])[] = [
      [undefined, 'not_installed', expect.any(String)],
      ['echo "--bind A B --size X"', 'too_old', '--bind-fd'],
      [`${help}; echo "bwrap: Unknown option --args" >&2; exit 1`, 'too_old', 'bwrap: Unknown option --args'],
      [
        `${help}; echo "bwrap: No permissions to create new namespace, likely because the kernel does not allow it" >&2; exit 1`,
        'container',
        'bwrap: No permissions to create new namespace, likely because the kernel does not allow it',
      ],
      [
        `${help}; echo "bwrap: Can't mount proc on /newroot/proc: Operation not permitted" >&2; exit 1`,
        'container',
        "bwrap: Can't mount proc on /newroot/proc: Operation not permitted",
      ],
      [`${help}; echo "bwrap: something else" >&2; exit 1`, 'other', 'bwrap: something else'],
      [`${help}; exit 3`, 'other', 'exit code 3'],
      ['echo "bwrap: no overflowuid in /proc" >&2; exit 1', 'other', 'bwrap: no overflowuid in /proc'],
    ];
    for (const [script, problem, detail] of cases)
      expect(await probe(script)).toEqual({
        kind: 'refused',
        problems: [{ wall: 'bwrap', problem, detail }],
      } as Wall);
  },
  60_000,
);

test.if(landlockVersion() >= oldestLandlock)(
  '“auto” takes Landlock where bubblewrap is missing, and says why',
  async () => {
    expect(await probe(undefined, 'auto')).toEqual({
      kind: 'landlock',
      version: landlockVersion(),
      problems: [{ wall: 'bwrap', problem: 'not_installed', detail: expect.any(String) }],
    });
  },
  60_000,
);

const missing = await bubblewrapHere(me);
test.if(missing === undefined)(
  'where the kernel allows no namespaces, both are tried: Landlock stands, bubblewrap says why',
  async () => {
    // A container's filter, imitated: bubblewrap inside a bubblewrap whose filter refuses namespaces.
    const place = makeJailPlace(me);
    const program = seccompProgram('all');
    if (program === undefined) throw new Error('no filter');
    const filter = join(place.root, 'filter');
    writeFileSync(filter, program);
    const checkout = join(import.meta.dir, '../..');
    const script = join(place.root, 'probe.ts');
    writeFileSync(
      script,
      `import { createJail } from '${checkout}/src/backends/jail/index.ts';
const jail = createJail({ isolation: 'auto', network: 'internet', paths: [], workspaces: [], own: [], tools: [], home: '${place.home}', ambient: { PATH: '/usr/bin:/bin' }, userHome: '${place.userHome}', author: { name: undefined, email: undefined } });
console.log(JSON.stringify(await jail.wall(AbortSignal.timeout(60_000)))); process.exit();`,
    );
    const { stdout } = Bun.spawnSync([
      '/bin/sh',
      '-c',
      `exec bwrap --unshare-user --bind / / --dev /dev --seccomp 9 "$0" "$@" 9< '${filter}'`,
      process.execPath,
      script,
    ]);
    const wall: Wall = JSON.parse(stdout.toString());
    expect(wall).toMatchObject({ problems: [{ wall: 'bwrap', problem: 'container' }] });
    expect(wall.kind).toBe(landlockVersion() >= oldestLandlock ? 'landlock' : 'none');
    place.remove();
  },
  60_000,
);

test('it is tried once, and again when asked', async () => {
  const place = makeJailPlace(me);
  const bin = place.folder('bin');
  mkdirSync(bin, { recursive: true });
  const jail = createJail({
    ...{
      isolation: 'bwrap',
      network: 'internet',
      paths: [],
      workspaces: [],
      own: [],
      tools: [],
      home: place.home,
    },
    ...{ ambient: { PATH: bin }, userHome: place.userHome, author: { name: undefined, email: undefined } },
  });
  expect((await jail.wall(signal)).kind).toBe('refused');
  if (missing === undefined) {
    const real = Bun.which('bwrap');
    if (real === null) throw new Error('no bwrap');
    symlinkSync(real, join(bin, 'bwrap'));
    expect((await jail.wall(signal)).kind).toBe('refused');
    expect((await jail.wall(signal, true)).kind).toBe('bwrap');
  }
  place.remove();
}, 60_000);
