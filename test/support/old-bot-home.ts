import { expect } from 'bun:test';
import { mkdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { SandboxNode } from '@nostr-dm-agent/sandbox/node';
import type { SandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { getPublicKey } from 'nostr-tools/pure';
import { hexToBytes } from 'nostr-tools/utils';
import { bunCache } from './bun-cache.ts';
import { botHomeSchema, contentOf, copiesOf, openOldHome } from './old-home.ts';
import { writeStandInOpencode } from './stand-in-opencode.ts';

const minute = 60_000;

/** The home where it is now: `bot.db` and the other files of `BOT_HOME`, the wallet, the workspaces. */
export function openOldBotHome() {
  const old = openOldHome('bot', botHomeSchema);
  const { home } = old;
  const directory = realpathSync(old.directory);
  old.clock.at = home.takenAt + minute;
  const here = (text: string): string => text.replaceAll(home.place, directory);
  const folder = (name: string): string => {
    mkdirSync(join(directory, name));
    return join(directory, name);
  };
  const [botHome, wallet] = [folder('home'), folder('wallet')];
  for (const name of ['app', 'docs', 'user']) folder(name);
  old.copy('home', botHome);
  const files = {
    bot: old.load('bot', join(botHome, 'bot.db'), here),
    wallet: old.load('wallet', join(wallet, home.walletFile), here),
  };
  const publicKeys = {
    bot: getPublicKey(hexToBytes(home.keys.bot)),
    owner: getPublicKey(hexToBytes(home.keys.owner)) as PublicKey,
    member: getPublicKey(hexToBytes(home.keys.member)) as PublicKey,
  };
  return { ...old, directory, files, publicKeys };
}
export type OldBotHome = ReturnType<typeof openOldBotHome>;

/** Those that were migrated are beside themselves as they were. */
export function expectCopiesKept(
  files: readonly string[],
  before: readonly ReturnType<typeof contentOf>[],
): void {
  for (const [index, file] of files.entries()) {
    const was = before[index] ?? { version: 0, rows: [] };
    const { version } = contentOf(file);
    const copies = copiesOf(file);
    expect(copies).toEqual(version > was.version ? [`${file}.before-v${version}`] : []);
    for (const copy of copies) expect(contentOf(copy)).toEqual(was);
  }
}

/** The bot of this version, in the home of the other. */
export async function startBot(
  { directory, home, publicKeys, onEnd }: OldBotHome,
  mint: SandboxMint,
  node: SandboxNode,
  relay: SandboxRelay,
) {
  let log = '';
  const child = Bun.spawn([process.execPath, resolve(import.meta.dir, '../../src/index.ts'), 'start'], {
    cwd: directory,
    env: {
      ...bunCache,
      PATH: process.env.PATH,
      HOME: join(directory, 'user'),
      LANG: 'C.UTF-8',
      BOT_KEY: home.keys.bot,
      BOT_OWNERS: publicKeys.owner,
      BOT_RELAYS: relay.url,
      BOT_HOME: join(directory, 'home'),
      BOT_WORKSPACE: `app=${join(directory, 'app')},docs=${join(directory, 'docs')}`,
      BOT_PROGRESS_SECONDS: '0',
      BOT_ISOLATION: 'none',
      BOT_MODEL: 'routstr/minimax-m2.5',
      CASHU_MNEMONIC: home.words,
      CASHU_MINT_URL: mint.url,
      CASHU_WALLET_DIR: join(directory, 'wallet'),
      ROUTSTR_BASE_URL: `${node.url}/v1`,
      OPENCODE_BIN: writeStandInOpencode(directory),
      LOG_LEVEL: 'info',
      LOG_FORMAT: 'json',
    },
    ...{ stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' },
  });
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await child.exited;
  };
  onEnd(end);
  for (const stream of [child.stdout, child.stderr]) {
    void (async () => {
      for await (const chunk of stream) log += new TextDecoder().decode(chunk);
    })();
  }
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null;
  await until(() => log.includes('"ready"') || ended(), `the bot is ready; its log:\n${log}`, 60_000);
  expect({ ended: ended(), log: ended() ? log : '' }).toEqual({ ended: false, log: '' });
  return { end, log: () => log };
}
