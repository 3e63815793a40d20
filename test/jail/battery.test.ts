import { expect, test } from 'bun:test';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { landlockVersion, oldestLandlock } from '../../src/backends/jail/inside/landlock.ts';
import { makeJailPlace, until } from '../support/jail.ts';
import { asEverybody } from '../support/jail-stories.ts';

const landlockHere = landlockVersion() >= oldestLandlock;

/** A service of the host, which answers with the path it was asked for. */
const service = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch: (request) => new Response(new URL(request.url).pathname),
});
const endpoint = { host: '127.0.0.1', port: Number(service.port), local: true };

const commandLines = (): string =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    })
    .join('\n');

await asEverybody((who) => {
  test('git works: commits, branches, stashes and worktrees; its settings and hooks stay as they are', async () => {
    const place = makeJailPlace(who);
    const { stdout, stderr } = await place.tell({
      launch: { identity: { name: 'A "quoted" name', email: 'a@example.org' } },
      script: `set -e
        git init -q . && echo one > file && git add -A && git commit -qm first
        git checkout -qb branch && echo two >> file && git commit -qam second && git checkout -q - && git merge -q branch
        echo x >> file && git stash -q && git stash pop -q && git tag v1 && git worktree add -q ../workspace/tree branch 2>/dev/null || true
        git gc -q && git log --format='%an <%ae> %s'`,
    });
    expect({ stdout, stderr }).toEqual({
      stdout: 'A "quoted" name <a@example.org> second\nA "quoted" name <a@example.org> first\n',
      stderr: '',
    });
    const later = await place.tell({
      script: `echo three >> file; git commit -qam third && git log --format=%s | head -1
        git config user.name evil 2>/dev/null || echo settings held
        echo x > .git/hooks/post-commit 2>/dev/null || echo hooks held
        mv .git .git2 2>/dev/null || echo folder held`,
      launch: { identity: { name: 'B', email: 'b@example.org' } },
    });
    expect(later.stdout).toBe('third\nsettings held\nhooks held\nfolder held\n');
    place.remove();
  }, 60_000);

  test('what redirects git’s settings is taken away after the run, and a new repository is reported', async () => {
    const place = makeJailPlace(who);
    await place.tell({ script: 'git init -q . ; git init -q nested/deep' });
    const before = readFileSync(join(place.workspace, '.git/config'), 'utf8');
    const { end } = await place.tell({
      script: `mkdir evil; printf '[core]\\n\\tfsmonitor = /bin/false\\n' > evil/config
        echo ../evil > .git/commondir; echo ../../evil > nested/deep/.git/commondir
        echo '[core]' > .git/config.worktree
        git init -q another/one; true`,
    });
    expect(end?.newGit).toEqual([join(place.workspace, 'another/one/.git')]);
    for (const name of ['.git/commondir', '.git/config.worktree', 'nested/deep/.git/commondir'])
      expect([name, existsSync(join(place.workspace, name))]).toEqual([name, false]);
    expect(readFileSync(join(place.workspace, '.git/config'), 'utf8')).toBe(before);
    place.remove();
  }, 60_000);

  test('whatever an agent makes of its folders and closes, its run ends, and so does the next', async () => {
    for (const isolation of landlockHere ? (['bwrap', 'landlock'] as const) : (['bwrap'] as const)) {
      const place = makeJailPlace(who);
      const settings = { isolation };
      const folder = (name: string): string => join(place.workspace, name);
      await place.tell({
        settings,
        script: 'git init -q . ; git init -q sub; git init -q closed; git init -q bent',
      });
      const first = await place.tell({
        settings,
        script: `mkdir -p .git/commondir .git/config.worktree/full
          mv sub moved; mkdir -p sub/.git; chmod 0 closed/.git
          mv bent away; mkdir bent elsewhere; touch elsewhere/commondir; ln -s ../elsewhere bent/.git
          for f in "$HOME" "$TMPDIR" ${isolation === 'bwrap' ? '/run/jail/store' : place.store}; do
            mkdir -p "$f/in/closed"; touch "$f/in/closed/x"; chmod 0 "$f/in/closed" "$f/in"; done
          chmod 500 ${isolation === 'bwrap' ? '/run/jail/store' : place.store} .; echo said`,
      });
      expect([isolation, first.stdout, first.problem]).toEqual([isolation, 'said\n', undefined]);
      for (const name of ['.git/config.worktree', 'sub/.git', 'bent/.git'])
        expect([name, first.end?.newGit.includes(folder(name))]).toEqual([name, true]);
      expect(existsSync(folder('elsewhere/commondir'))).toBe(true);
      expect(readdirSync(join(place.home, 'jail')).filter((name) => name !== 'trash')).toEqual([]);
      chmodSync(folder('closed/.git'), 0o700);
      unlinkSync(folder('bent/.git'));
      const next = await place.tell({
        settings,
        script: `chmod 700 . && ls -A "$STORE"`,
        launch: { environment: { STORE: isolation === 'bwrap' ? '/run/jail/store' : place.store } },
      });
      expect([next.stdout, next.problem]).toEqual(['', undefined]);
      place.remove();
    }
  }, 60_000);

  test('node, python and local packages work, and the bot’s tools stand first in PATH', async () => {
    const place = makeJailPlace(who);
    const rg = place.file('tools/rg', '#!/bin/sh\necho mine\n', 0o755);
    const { stdout, stderr } = await place.tell({
      settings: { tools: [rg] },
      launch: { environment: { npm_config_update_notifier: 'false' } },
      script: `set -e
        mkdir -p lib app && echo '{"name":"lib","version":"1.0.0"}' > lib/package.json && echo 'module.exports = 42' > lib/index.js
        cd app && npm init -y > /dev/null && npm install --offline --no-audit --no-fund ../lib > /dev/null 2>&1
        node -e 'console.log(require("lib"))'
        python3 -c 'import json, ssl, sqlite3, tempfile; print(tempfile.gettempdir())'
        bun -e 'console.log(1 + 1)'; rg; command -v rg; df -P /tmp "$HOME" | tail -n 2 | wc -l`,
    });
    expect({ stdout, stderr }).toEqual({ stdout: '42\n/tmp\n2\nmine\n/run/jail/bin/rg\n2\n', stderr: '' });
    place.remove();
  }, 60_000);

  const cargo = [join(homedir(), '.cargo'), join(homedir(), '.rustup')];
  test.if(who.uid === process.getuid?.() && cargo.every((path) => existsSync(path)))(
    'toolchains that BOT_AGENT_PATHS shows work from where they are',
    async () => {
      const place = makeJailPlace(who);
      const { stdout, stderr, code } = await place.tell({
        settings: {
          paths: cargo.map((path) => ({ path, writable: false })),
          userHome: homedir(),
          ambient: { PATH: `${cargo[0]}/bin:/usr/bin:/bin` },
        },
        script: `cargo init -q --name thing . && cargo run -q --offline && ls -A ~ && ls -A ${homedir()}
          touch ${cargo[0]}/x 2>/dev/null || echo read-only`,
      });
      expect({ code, stderr: stderr.slice(-500) }).toMatchObject({ code: 0 });
      expect(stdout).toStartWith('Hello, world!\n');
      expect(stdout).toContain('read-only');
      expect(stdout).not.toContain('.ssh');
      place.remove();
    },
    120_000,
  );

  test('in ask and plan nothing of the workspace can be changed', async () => {
    const place = makeJailPlace(who);
    place.file('workspace/file', 'mine');
    const { stdout } = await place.tell({
      cell: { writable: false },
      script: `for c in 'touch new' 'echo x > file' 'rm file' 'mkdir folder' 'chmod 777 file' 'ln -s / link' 'git init -q .'; do
        eval "$c" 2>/dev/null || echo "held: $c"; done; cat file`,
    });
    expect(stdout.split('\n').filter((line) => line.startsWith('held'))).toHaveLength(7);
    expect(stdout).toEndWith('mine');
    expect(readdirSync(place.workspace)).toEqual(['file']);
    place.remove();
  }, 60_000);

  test('workspace and store last, everything else is new at each run', async () => {
    const place = makeJailPlace(who);
    const write =
      'for f in "$PWD/w" /run/jail/store/opencode.db ~/h ~/.cache/c /tmp/t /dev/shm/s /var/tmp/v; do mkdir -p "$(dirname $f)"; echo x > $f && echo $f; done';
    expect((await place.tell({ script: write })).stdout.split('\n')).toHaveLength(8);
    const { stdout } = await place.tell({
      script:
        'ls -d "$PWD/w" /run/jail/store/opencode.db ~/h ~/.cache/c /tmp/t /dev/shm/s /var/tmp/v 2>/dev/null',
    });
    expect(stdout).toBe(`/run/jail/store/opencode.db\n${place.workspace}/w\n`);
    expect(readdirSync(join(place.home, 'jail'))).toEqual([]);
    place.remove();
  }, 60_000);

  test('a service that the configuration names is there under its address, and no other', async () => {
    const place = makeJailPlace(who);
    const other = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('other') });
    const { stdout } = await place.tell({
      launch: { endpoints: [endpoint, { ...endpoint, host: 'localhost' }] },
      script: `curl -s -m 5 http://127.0.0.1:${service.port}/one; curl -s -m 5 http://localhost:${service.port}/two
        curl -s -m 2 http://127.0.0.1:${other.port}/ || echo " refused"`,
    });
    expect(stdout).toBe('/one/two refused\n');
    await other.stop(true);
    const nothing = await place.tell({
      settings: { network: 'none' },
      launch: { endpoints: [endpoint] },
      script: `curl -s -m 5 http://127.0.0.1:${service.port}/three; env | grep -i proxy; (: < /dev/tcp/127.0.0.1/3128) 2>/dev/null || echo " no proxy"`,
    });
    expect(nothing.stdout).toBe('/three no proxy\n');
    place.remove();
  }, 60_000);

  test('much data in both directions comes through the forwarder unharmed', async () => {
    const place = makeJailPlace(who);
    const size = 24 * 1024 * 1024;
    const echo = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      maxRequestBodySize: size * 2,
      fetch: async (request) => new Response(await request.arrayBuffer()),
    });
    const { stdout } = await place.tell({
      launch: { endpoints: [{ host: '127.0.0.1', port: Number(echo.port), local: true }] },
      script: `head -c ${size} /dev/urandom > sent
        for n in 1 2 3; do curl -s -m 30 --data-binary @sent http://127.0.0.1:${echo.port}/ > got$n & done; wait
        for n in 1 2 3; do cmp sent got$n && echo same; done`,
    });
    expect(stdout).toBe('same\nsame\nsame\n');
    await echo.stop(true);
    place.remove();
  }, 90_000);

  test('exit codes and signals come back; standard input is no file of the host', async () => {
    const place = makeJailPlace(who);
    expect(await place.tell({ script: 'exit 7' })).toMatchObject({ code: 7 });
    expect(await place.tell({ script: 'kill -TERM $$' })).toMatchObject({ code: 143 });
    expect(await place.tell({ script: 'cat', stdin: 'a task' })).toMatchObject({ code: 0, stdout: 'a task' });
    const { stdout } = await place.tell({ script: 'ls -l /proc/self/fd | grep -c /', stdin: 'x' });
    // Only the listing's own view of itself
    expect(stdout).toBe('1\n');
    place.remove();
  }, 60_000);

  test('no secret stands in a list of processes, and the environment is what was given', async () => {
    const place = makeJailPlace(who);
    const story = place.tell({
      settings: { ambient: { PATH: '/usr/bin:/bin', BOT_KEY: 'do-not-show', HOME: '/root', LANG: 'C' } },
      launch: { environment: { ROUTSTR_API_KEY: 'very-secret-budget' }, texts: { 'AGENTS.md': 'do this' } },
      script:
        'echo $ROUTSTR_API_KEY; env | sort | cut -d= -f1 | tr "\\n" " "; cat /run/jail/texts/AGENTS.md; touch ready; until [ -e go ]; do sleep 0.05; done',
    });
    await until(() => existsSync(join(place.workspace, 'ready')));
    expect(commandLines()).not.toContain('very-secret-budget');
    place.file('workspace/go', '');
    const { stdout } = await story;
    expect(stdout).toStartWith('very-secret-budget\n');
    expect(stdout).toEndWith('do this');
    for (const name of ['BOT_KEY', 'NOSTR_DM_AGENT_JAIL', 'BUN_BE_BUN']) expect(stdout).not.toContain(name);
    place.remove();
  }, 60_000);

  test('kill -9 of what was started ends everything inside, however it hides', async () => {
    const place = makeJailPlace(who);
    const seconds = `8${process.pid}.${who.uid}`;
    const { signal } = await place.tell({
      script: `(setsid sh -c "env -i setsid sleep ${seconds} &" &); setsid nohup sleep ${seconds} >/dev/null 2>&1 & touch started; sleep 100`,
      timeoutMs: 3000,
    });
    expect(existsSync(join(place.workspace, 'started'))).toBe(true);
    expect(signal).toBe('SIGKILL');
    await until(() => !commandLines().includes(seconds));
    place.remove();
  }, 60_000);

  test('the user’s own login stands in the agent’s home, read-only unless it says otherwise', async () => {
    const place = makeJailPlace(who);
    const login = place.file('user/.local/share/opencode/auth.json', '{"mine":1}');
    const writable = place.file('user/token.json', 'old');
    const { stdout } = await place.tell({
      launch: {
        homeFiles: [
          { from: login, at: '.local/share/opencode/auth.json', writable: false },
          { from: writable, at: '.config/token.json', writable: true },
        ],
      },
      script: `cat ~/.local/share/opencode/auth.json; echo x > ~/.local/share/opencode/auth.json 2>/dev/null || echo " held"
        touch ~/.local/share/opencode/beside && echo new > ~/.config/token.json && ls -A ~/.local/share/opencode`,
    });
    expect(stdout).toBe('{"mine":1} held\nauth.json\nbeside\n');
    expect(readFileSync(writable, 'utf8')).toBe('new\n');
    expect(readdirSync(join(place.userHome, '.local/share/opencode'))).toEqual(['auth.json']);
    place.remove();
  }, 60_000);

  test('a run folder with a long path is no problem', async () => {
    const place = makeJailPlace(who);
    const home = place.folder(`bot/${'a-long-name/'.repeat(12)}end`);
    const { stdout } = await place.tell({
      settings: { home },
      launch: { endpoints: [endpoint] },
      script: `curl -s -m 5 http://127.0.0.1:${service.port}/long`,
    });
    expect(stdout).toBe('/long');
    expect(statSync(home).mode & 0o777).toBe(0o700);
    place.remove();
  }, 60_000);
});
