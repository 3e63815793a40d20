/*
 * The example of docs/triggers.md, as it stands there, by a library that is not ours (nostr-sdk of PyPI, which is rust-nostr):
 * a machine starts its owner's named task. `bun run test:trigger`. TRIGGER_VENV: a folder where it stays for later runs.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import * as nip19 from 'nostr-tools/nip19';
import { startTestBot, type TestBot } from '../support/bot.ts';

const page = readFileSync(join(import.meta.dir, '../../docs/triggers.md'), 'utf8');
const example = /```python\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
const wanted = /nostr-sdk==[\d.]+/.exec(page)?.[0] ?? '';
const kept = process.env.TRIGGER_VENV;
const folder = kept ?? mkdtempSync(join(tmpdir(), 'nostr-dm-agent-trigger-'));
const python = join(folder, 'bin/python');
let bot: TestBot;

const run = async (command: readonly string[], env: Readonly<Record<string, string | undefined>> = {}) => {
  const child = Bun.spawn([...command], { cwd: folder, env: { ...process.env, ...env }, stderr: 'pipe' });
  const errors = await new Response(child.stderr).text();
  return { code: await child.exited, errors };
};

beforeAll(async () => {
  if (!existsSync(python)) await run(['python3', '-m', 'venv', folder]);
  const got = await run([python, '-m', 'pip', 'install', '-q', '--only-binary=:all:', wanted]);
  if (got.code !== 0) throw new Error(`pip could not install ${wanted}: ${got.errors}`);
  bot = await startTestBot();
}, 180_000);
afterAll(async () => {
  await bot.cleanUp();
  if (kept === undefined) rmSync(folder, { recursive: true, force: true });
});

test('the example of the page starts a named task, once, with what the log says', async () => {
  const key = generateSecretKey();
  const ask = async (text: string) => (await bot.owner.answer(await bot.owner.send(text))).text;
  expect(await ask(`!owners add ${nip19.npubEncode(publicKeyOf(key))} trigger`)).toContain(
    'is a trigger now',
  );
  await ask('!task ci-failed = look at the log and say why');
  writeFileSync(join(folder, 'build.log'), `${'x'.repeat(9_000)}\nsegmentation fault \u2014 \u{1f4a5}\n`);
  writeFileSync(join(folder, 'trigger.py'), example);
  const sent = await run([python, 'trigger.py'], {
    BOT: nip19.npubEncode(bot.publicKey),
    RELAY: bot.relay.url,
    CI_KEY: Buffer.from(key).toString('hex'),
    CI_PIPELINE_URL: 'https://ci.example/812',
  });
  expect(sent).toEqual({ code: 0, errors: '' });
  const said = await bot.owner.heard(/^⚡ ci-failed \(#\d+\) — did: look at the log and say why/);
  expect(said.text).toContain('https://ci.example/812');
  expect(said.text).toContain('segmentation fault — 💥');
});
