/* `bun run test:page`: the bot's page in Debian's Chromium, in front of one busy sandbox. See docs/page.md. */
import { afterAll, beforeAll, describe } from 'bun:test';
import { flows } from './flows.ts';
import { hostile } from './hostile.ts';
import { kills } from './kills.ts';
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

describe('what an owner does', () => flows(world));
describe('what others try', () => hostile(world));
describe('how it looks', () => looks(world));
describe('while the bot dies', () => kills(world));
