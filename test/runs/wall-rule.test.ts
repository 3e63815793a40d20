import { expect, test } from 'bun:test';
import type { Wall } from '../../src/backends/jail/types.ts';
import { noWallText, sandboxWallLine, wallLine, wallWarning } from '../../src/replies/wall-replies.ts';
import { wallRefusal } from '../../src/runs/wall-rule.ts';

const bwrap: Wall = { kind: 'bwrap', path: '/usr/bin/bwrap' };
const landlock: Wall = { kind: 'landlock', version: 7, problems: [] };
const missing = { wall: 'bwrap', problem: 'not_installed', detail: 'apt-get' } as const;
const none: Wall = { kind: 'none', chosen: false, problems: [missing] };
const chosen: Wall = { kind: 'none', chosen: true, problems: [] };
const refused: Wall = { kind: 'refused', problems: [missing] };

test('without a wall members’ agents are refused, and everybody’s while there is a wallet; reading is not', () => {
  const cases = [
    [none, 'agent', 'admin', false, undefined],
    [none, 'agent', 'member', false, 'members'],
    [none, 'agent', 'admin', true, 'wallet'],
    [none, 'agent', 'member', true, 'wallet'],
    [none, 'ask', 'member', true, undefined],
    [none, 'plan', 'member', true, undefined],
    [chosen, 'agent', 'member', true, undefined],
    [bwrap, 'agent', 'member', true, undefined],
    [landlock, 'agent', 'member', true, undefined],
    [refused, 'ask', 'admin', false, 'everybody'],
  ] as const;
  for (const [wall, mode, role, hasWallet, to] of cases)
    expect([wall.kind, mode, role, hasWallet, wallRefusal(wall, { mode, role, hasWallet })?.to]).toEqual([
      ...[wall.kind, mode, role, hasWallet, to],
    ]);
});

test('what there is to say names the command that mends it, and nothing is said where all is well', () => {
  const mend = 'sudo apt-get install bubblewrap';
  expect(wallWarning(bwrap, true)).toBeUndefined();
  expect(wallWarning(landlock, true)).toBeUndefined();
  expect(wallWarning(none, true)).toContain(mend);
  expect(wallWarning(none, true)).toContain('refused to everybody');
  expect(wallWarning(none, false)).toContain('refused to members');
  expect(wallWarning(chosen, true)).toContain('BOT_ISOLATION=none');
  expect(noWallText({ to: 'wallet', wall: none })).toContain(mend);
  expect(noWallText({ to: 'everybody', wall: refused })).not.toContain('!ask');
  expect(sandboxWallLine(bwrap)).toBeUndefined();
  expect(sandboxWallLine(none)?.split('\n')).toHaveLength(1);
  expect(sandboxWallLine(none)).toContain(mend);
  for (const problem of [
    'not_linux',
    'too_old',
    'namespaces_off',
    'apparmor',
    'container',
    'other',
  ] as const) {
    const wall: Wall = {
      kind: 'none',
      chosen: false,
      problems: [{ wall: 'bwrap', problem, detail: undefined }],
    };
    expect(wallWarning(wall, false)).toContain('On the host: ');
    expect(wallLine(wall)).not.toContain('undefined');
  }
});
