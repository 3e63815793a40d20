/* `bun run test:page`: the bot's page in Debian's Chromium, in front of one busy sandbox. See docs/page.md. */
import { afterAll, beforeAll } from 'bun:test';
import { flows } from './flows.ts';
import { hostile } from './hostile.ts';
import { looks } from './looks.ts';
import { type PageWorld, startPageWorld } from './support/page-world.ts';

let started: PageWorld | undefined;
const world = (): PageWorld => {
  if (started === undefined) throw new Error('the world is not there');
  return started;
};
beforeAll(async () => {
  started = await startPageWorld();
}, 120_000);
afterAll(() => started?.stop());

flows(world);
hostile(world);
looks(world);
