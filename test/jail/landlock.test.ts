import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { landlockVersion, oldestLandlock } from '../../src/backends/jail/inside/landlock.ts';
import { everybody, makeJailPlace, until } from '../support/jail.ts';

const hasTmux = Bun.which('tmux') !== null;
const works = process.platform === 'linux' && landlockVersion() >= oldestLandlock;
if (!works)
  process.stderr.write('\n!!! NOT TESTED: this kernel has no Landlock that is new enough for the jail\n\n');

const living = (word: string): boolean =>
  readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(word);
    } catch {
      return false;
    }
  });

const fastOpen = (send: string): string =>
  `python3 -c 'import socket;s=socket.socket();${send};d=s.recv(9999);print(d if b"LOOP" in d else s.recv(9999))' | grep LOOP`;

/** One way out in each line: its name, and a command that succeeds where it is open. */
const ways = (place: ReturnType<typeof makeJailPlace>, bot: number, port: number, abstract: string) => ({
  'environ of the bot': `tr "\\0" "\\n" < /proc/${bot}/environ | grep DECOY`,
  'root of the bot': `ls /proc/${bot}/root/ || ls /proc/${bot}/cwd/ || cat /proc/${bot}/fd/0`,
  'a signal to the bot': `kill -0 ${bot}`,
  'tracing the bot': `python3 -c 'import ctypes,sys;sys.exit(0 if ctypes.CDLL(None).ptrace(16,${bot},0,0)==0 else 1)'`,
  ...(hasTmux ? { 'tmux of the host': `tmux -S ${place.root}/tmux ls` } : {}),
  'an abstract socket': `python3 -c 'import socket;s=socket.socket(1,1);s.connect("\\0${abstract}")'`,
  'another port of the loopback': `curl -s -m 2 --noproxy '*' http://127.0.0.1:${port}/ | grep LOOP`,
  'the same by TCP Fast Open': fastOpen(
    `s.sendto(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n",0x20000000,("127.0.0.1",${port}))`,
  ),
  'the same by a message': fastOpen(
    `s.sendmsg([b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"],[],0x20000000,("127.0.0.1",${port}))`,
  ),
  'a port that others can connect to': `python3 -c 'import socket;socket.socket().listen()'`,
  'limits of the bot': `python3 -c 'import resource;resource.prlimit(${bot},resource.RLIMIT_CORE,(0,0))'`,
  'priority of the bot': `python3 -c 'import os;os.setpriority(0,${bot},19)'`,
  'processors of the bot': `python3 -c 'import os;os.sched_setaffinity(${bot},os.sched_getaffinity(0))'`,
  'memory that outlives the run': `python3 -c 'import ctypes,sys;l=ctypes.CDLL(None);i=l.shmget(0,4096,0o1600);l.shmctl(i,0,None);sys.exit(i<0)'`,
  'the same through the proxy': `curl -sf -m 2 --noproxy '' http://127.0.0.1:${port}/ | grep LOOP`,
  'a datagram': `python3 -c 'import socket;socket.socket(2,2)'`,
  vsock: `python3 -c 'import socket;socket.socket(40,1)'`,
  '.env': `cat ${place.root}/decoy/.env`,
  'SSH keys': `cat ${place.userHome}/.ssh/id_ed25519`,
  'the home of the bot': `ls ${place.home}`,
  '/tmp of the host': 'ls /tmp/',
  shadow: 'cat /etc/shadow',
  'settings of the kernel': '( : >> /proc/sys/kernel/core_pattern )',
  'a new user namespace': 'unshare -U true',
  capabilities: 'grep -E "Cap(Prm|Eff|Amb)" /proc/self/status | grep -v 0000000000000000',
  'a setuid program': 'touch s && chmod 4755 s',
});

for (const who of works ? everybody() : [])
  describe(`as ${who.name}`, () => {
    test('Landlock keeps what can be kept without namespaces', async () => {
      const place = makeJailPlace(who);
      place.file('decoy/.env', 'DECOY');
      place.file('user/.ssh/id_ed25519', 'DECOY');
      const abstract = `landlock-${process.pid}-${who.uid}`;
      const bot = place.outside(['/bin/sleep', '100'], { BOT_KEY: 'DECOY' });
      const socket = place.outside([
        ...['python3', '-c'],
        `import socket,time;s=socket.socket(1);s.bind("\\0${abstract}");s.listen();print("up",flush=True);time.sleep(100)`,
      ]);
      await new Promise((done) => socket.stdout?.once('data', done));
      if (hasTmux) place.outside(['tmux', '-S', join(place.root, 'tmux'), 'new-session', '-d', 'sleep 100']);
      const service = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('LOOP') });
      await until(() => !hasTmux || existsSync(join(place.root, 'tmux')));
      const all = ways(place, Number(bot.pid), Number(service.port), abstract);
      const script = Object.entries(all)
        .map(
          ([name, command], index) =>
            `cat > w${index} <<'EOF'\n${command}\nEOF\nif timeout 5 bash w${index} > out 2>&1; then echo "OPEN ${name}"; fi`,
        )
        // A program of the user's own home would be closed itself, and prove nothing.
        .toSpliced(0, 0, 'PATH=/usr/bin:/bin')
        .join('\n');
      const open = async (isolation: 'none' | 'landlock') =>
        (await place.tell({ settings: { isolation }, script })).stdout
          .split('\n')
          .filter((line) => line !== '');
      const withoutWall = await open('none');
      const byRootAlone = [
        'shadow',
        'settings of the kernel',
        'capabilities',
        'vsock',
        'the same through the proxy',
        // a kernel may have it switched off
        'the same by TCP Fast Open',
        'the same by a message',
      ];
      expect(withoutWall).toEqual(
        Object.keys(all)
          .filter((name) => withoutWall.includes(`OPEN ${name}`) || !byRootAlone.includes(name))
          .map((name) => `OPEN ${name}`),
      );
      expect(await open('landlock')).toEqual([]);
      for (const child of [bot, socket]) child.kill('SIGKILL');
      if (hasTmux) place.outside(['tmux', '-S', join(place.root, 'tmux'), 'kill-server']);
      await service.stop(true);
      place.remove();
    }, 120_000);

    test('workspace and store are there, read-only where they should be; the meter is reached; nobody lives on', async () => {
      const place = makeJailPlace(who);
      const service = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('LOOP') });
      const endpoints = [{ host: '127.0.0.1', port: Number(service.port), local: true }];
      const seconds = `9${process.pid}.${who.uid}`;
      const settings = { isolation: 'landlock' } as const;
      const first = await place.tell({
        settings,
        launch: { endpoints, texts: { note: 'text' }, identity: { name: 'A', email: 'a@b' } },
        script: `touch w ${place.store}/s && curl -s -m 5 http://127.0.0.1:${service.port}/ && pwd && git init -q . && touch f && git add f && git commit -qm one && git log --format=%an
          (setsid sh -c "env -i setsid sleep ${seconds} &" &); echo y > "$HOME/h"; echo z > "$TMPDIR/t"`,
      });
      expect(first).toMatchObject({ stdout: `LOOP${place.workspace}\nA\n`, code: 0 });
      expect(living(seconds)).toBe(false);
      // A program of the user's that cannot be run there does not stand before the system's.
      place.file('user/bin/ls', '#!/bin/sh\necho mine\n', 0o755);
      const PATH = `${join(place.userHome, 'bin')}:/usr/bin:/bin`;
      const second = await place.tell({
        settings: { ...settings, ambient: { PATH, HOME: place.userHome } },
        cell: { writable: false },
        script: 'ls "$HOME/h" "$TMPDIR/t" 2>/dev/null; touch no 2>/dev/null || echo held; ls',
      });
      expect(second.stdout).toBe('held\nf\nw\n');
      expect(readdirSync(join(place.home, 'jail'))).toEqual([]);
      await service.stop(true);
      place.remove();
    }, 60_000);

    test('one that forks and ends without pause, to be in no list of processes, ends too', async () => {
      const place = makeJailPlace(who);
      const mark = `hop-${process.pid}-${who.uid}`;
      const { code } = await place.tell({
        settings: { isolation: 'landlock' },
        script: `printf '#!/bin/bash\nsetsid bash "$0" "$1" </dev/null >/dev/null 2>&1 &\n' > hop; bash hop ${mark}; bash hop ${mark}; sleep 0.3`,
        timeoutMs: 20_000,
      });
      expect(code).toBe(0);
      expect(living(mark)).toBe(false);
      place.remove();
    }, 60_000);

    test('a workspace’s own configuration cannot be hidden, so it is refused', async () => {
      const place = makeJailPlace(who);
      place.file('workspace/.opencode/plugin/x.ts', '');
      const { problem } = await place.tell({ settings: { isolation: 'landlock' }, script: 'touch started' });
      expect(problem).toContain('WorkspaceCodeError');
      expect(existsSync(join(place.workspace, 'started'))).toBe(false);
      place.remove();
    }, 60_000);

    test('the run is ended when such a configuration appears; what it changes in .git is told', async () => {
      const place = makeJailPlace(who);
      const settings = { isolation: 'landlock' } as const;
      await place.tell({ settings, script: 'git init -q .; mkdir -p .git/modules/m' });
      const told = await place.tell({
        settings,
        script: `git config core.fsmonitor ./evil; echo x > .git/hooks/pre-commit; echo y > .git/modules/m/config
          git add -A; git -c user.name=A -c user.email=a@b commit -qm x --allow-empty`,
      });
      expect(told.end?.newGit.map((path) => path.slice(place.workspace.length)).sort()).toEqual([
        ...['/.git/config', '/.git/hooks', '/.git/modules/m/config'],
      ]);
      expect((await place.tell({ settings, script: 'git status' })).end?.newGit).toEqual([]);
      const ended = await place.tell({
        settings,
        script:
          'echo "{}" > opencode.json; sleep 1; echo "{\\"plug\\\\u0069n\\":[\\"x\\"]}" > opencode.json; sleep 3',
      });
      expect(ended.limit).toBe('code');
      place.remove();
    }, 60_000);
  });
