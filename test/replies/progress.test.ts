import { expect, test } from 'bun:test';
import { progressLine } from '../../src/replies/progress.ts';

const tool = (name: string, title: string) => ({ type: 'tool', tool: name, title, ok: true }) as const;
const so = {
  elapsedMs: 120_000,
  steps: 12,
  last: undefined,
  command: undefined,
  cost: undefined,
  held: false,
};

test('progress names what is being done, the file or the command, and what it cost', () => {
  const cost = { spent: 340, budget: 2000 };
  const said = [
    { ...so, last: tool('edit', 'src/a.ts'), cost },
    { ...so, last: tool('bash', 'Run the tests') },
    { ...so, last: tool('bash', 'Start the server'), command: 'bun run dev', cost },
    { ...so, last: tool('mcp_search', 'x') },
    { ...so, last: tool('todowrite', '') },
    { ...so, last: { type: 'text', text: 'Now I look at the tests.' } as const },
    { ...so, steps: 1 },
    { ...so, last: tool('edit', 'src/a.ts'), cost, held: true },
  ].map(progressLine);
  expect(said).toEqual([
    '⏳ 2 min · editing src/a.ts · 12 steps · 340 of 2,000 sat',
    '⏳ 2 min · ran Run the tests · 12 steps',
    '⏳ 2 min · running: bun run dev · 12 steps · 340 of 2,000 sat',
    '⏳ 2 min · mcp_search: x · 12 steps',
    '⏳ 2 min · todowrite · 12 steps',
    '⏳ 2 min · Now I look at the tests. · 12 steps',
    '⏳ 2 min · 1 step',
    '⏳ 2 min · 12 steps · 340 of 2,000 sat · waits for money: !more or !stop',
  ]);
});
