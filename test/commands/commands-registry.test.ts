import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { examplesOf, usageOf } from '../../src/commands/command-registry.ts';
import { markdownTable } from '../../src/commands/help-command.ts';
import { commandsForReading } from '../support/commands.ts';

const registry = commandsForReading();

test('the README lists the commands as they are (bun test/support/write-readme.ts writes the table)', () => {
  const readme = readFileSync(join(import.meta.dir, '../../README.md'), 'utf8');
  expect(readme).toContain(markdownTable(registry));
});

describe('what is typed finds its command', () => {
  test('every command by its own words, in any case, with what follows kept as it is', () => {
    for (const command of registry.commands) {
      const match = registry.match(`!${command.path.toUpperCase()}  two\n words `);
      const isHead = registry.commands.some(({ path }) => path.startsWith(`${command.path} `));
      if (isHead && command.parameters === undefined) continue;
      expect(match).toMatchObject({ found: true, argument: 'two\n words' });
      if (match.found) expect(match.command.path).toBe(command.path);
    }
  });

  test('a slip of the finger is answered with the nearest command', () => {
    for (const [typed, meant] of [
      ['!staus', 'status'],
      ['!hlep', 'help'],
      ['!sesions', 'sessions'],
      ['!queue drpo 1', 'queue drop'],
      ['!wallet blance', 'wallet balance'],
      ['!pign', 'ping'],
      ['!balanec', 'wallet balance'],
      ['!stauts', 'status'],
      ['!qeue drop 1', 'queue drop'],
      ['!workspce api', 'workspace'],
    ] as const) {
      const match = registry.match(typed);
      expect(match.found ? match.command.path : match.nearest?.path).toBe(meant);
    }
    for (const far of ['!knife', '!sudo', '!ls'])
      expect(registry.match(far)).toMatchObject({ found: false, nearest: undefined });
    expect(registry.match('!xylophone')).toMatchObject({ found: false, nearest: undefined });
  });

  test('a branch of its own, as phones correct it and people remember it', () => {
    for (const typed of [
      ...[
        '!new --worktree',
        '!new —worktree',
        '!new –worktree',
        '!new -worktree',
        '!new -- worktree',
        '!new — Worktree',
      ],
      ...[
        '!NEW --WorkTree',
        '!new—worktree',
        '!new worktree',
        '!new work-tree',
        '!new work tree',
        '!new --worktrees',
      ],
      ...[
        '!new --wt',
        '! new  --worktree',
        '!worktree',
        '!new-worktree',
        '!new_worktree',
        '!new --work-tree',
        '！new —worktree',
      ],
    ])
      for (const after of ['', ' docs', ' docs local']) {
        const match = registry.match(`${typed}${after}`);
        const found = match.found ? [match.command.path, match.argument] : match;
        expect([typed, found]).toEqual([typed, ['new --worktree', after.trim()]]);
      }
    expect(registry.match('!new docs —worktree local')).toMatchObject({ argument: 'docs local' });
    for (const other of ['!new', '!new docs', '!new my-worktree', '!new worktrees2', '!newt'])
      expect(registry.match(other)).not.toMatchObject({ command: { path: 'new --worktree' } });
  });

  test('no text makes it throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const match = registry.match(`!${text}`);
        expect(typeof match.found).toBe('boolean');
      }),
    );
  });
});

test('every command for admins says what a member may do instead', () => {
  for (const command of registry.commands) {
    if (command.role === 'admin') expect(command.instead).toMatch(/^[A-Z!].*\.$/);
  }
});

test('every command explains itself: a summary without a full stop, an example that finds it', () => {
  for (const command of registry.commands) {
    expect(command.summary).not.toEndWith('.');
    expect(usageOf(command).length + command.summary.length).toBeLessThan(120);
    for (const example of examplesOf(command)) {
      const match = registry.match(example);
      expect(match.found && match.command.path).toBe(command.path);
    }
  }
});
