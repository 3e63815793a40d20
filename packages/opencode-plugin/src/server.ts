import { systemClock } from '@nostr-dm-agent/kit/clock';
import { type NodeUrl, parseNodeUrl, type UsableModel } from '@nostr-dm-agent/routstr/client';
import type { Hooks, PluginModule } from '@opencode-ai/plugin';
import { createFiller, openTopUpBook, type TopUpBook } from './auto-top-up.ts';
import { loginMethods } from './login.ts';
import { createNodeFetch } from './node-fetch.ts';
import { readNode } from './own-files.ts';
import { readOptions } from './plugin-options.ts';
import { defaultNode, modelsOf, providerBlock, providerId, smallModelOf } from './provider.ts';
import { newsText } from './sentences/login-sentences.ts';
import { createWalletAccess, type WalletAccess } from './wallet-access.ts';

/** How long a look at a key, and filling it, may take in the background. */
const patienceMs = 120_000;

/** Provider Routstr: its models, the ways to log in, and how its calls are made. */
const plugin: PluginModule = {
  id: 'routstr',
  server: async ({ client }, given) => {
    const { options, problem } = readOptions(given);
    const access = createWalletAccess(process.env, options);
    if (problem !== undefined) await tell(problem);
    let models: readonly UsableModel[] = [];
    let book: TopUpBook | undefined;
    const openBook = (): TopUpBook => {
      book ??= openTopUpBook(access.home(), systemClock);
      return book;
    };
    // Beside opencode's own start: whoever runs one task is told, too.
    const told = Bun.isMainThread ? tellNews(access, client) : Promise.resolve();

    const hooks: Hooks = {
      config: async (config) => {
        const node = readNode(access.home());
        if (node !== undefined) ({ models } = await modelsOf(access.home(), node));
        const providers = (config.provider ?? {}) as Record<string, object>;
        providers[providerId] = providerBlock(
          node ?? (defaultNode as NodeUrl),
          models,
          providers[providerId],
        );
        config.provider = providers;
      },
      auth: {
        provider: providerId,
        methods: loginMethods(access),
        loader: async (auth) => {
          const stored = await auth();
          if (stored.type !== 'api') return {};
          const node = stored.metadata?.node;
          const filler = createFiller({
            settings: options.autoTopUp,
            key: stored.key,
            session: access.open,
            book: openBook,
          });
          return {
            apiKey: stored.key,
            ...(node === undefined ? {} : { baseURL: parseNodeUrl(node) }),
            fetch: createNodeFetch({
              fill: filler.fill,
              onAnswered: () => {
                // A key that is not filled now is filled when a call meets it.
                filler.fillIfLow(AbortSignal.timeout(patienceMs)).catch(() => undefined);
              },
            }),
          };
        },
      },
      'experimental.provider.small_model': async ({ provider }, output) => {
        if (provider.id !== providerId) return;
        const small = smallModelOf(models);
        const model = small === undefined ? undefined : provider.models[small];
        if (model !== undefined) output.model = model;
      },
      // What opencode was started with is not the agent's: a command that it runs sees none of the wallet's words.
      'shell.env': async (_, output) => {
        for (const name of ['CASHU_MNEMONIC', 'BOT_KEY'])
          if (process.env[name] !== undefined) output.env[name] = '';
      },
      dispose: async () => {
        await told;
        await access.close();
        book?.close();
      },
    };
    return hooks;
  },
};
export default plugin;

type Client = Parameters<PluginModule['server']>[0]['client'];

/** What became of what was cut off, on the terminal of a command; in opencode's own screen the other half says it. */
async function tellNews(access: WalletAccess, client: Client): Promise<void> {
  // A login says it itself, where it is seen.
  if (process.argv.includes('login')) return;
  try {
    const session = await access.existing();
    if (session === undefined) return;
    const signal = AbortSignal.timeout(patienceMs);
    for (const news of await session.news(signal)) {
      await tell(newsText(news));
      if (news.did !== 'make' || news.came !== 'kept') continue;
      const key = await session.keySecret(news.key.id, signal);
      if (key === undefined) continue;
      const body = { type: 'api' as const, key, metadata: { node: news.key.node } };
      await client.auth.set({ path: { id: providerId }, body });
    }
  } catch {
    // The wallet is in use, or its mint is away: the next start says it.
  }
}

const tell = async (text: string): Promise<void> => {
  if (Bun.isMainThread) await Bun.write(Bun.stderr, `${text}\n`);
};
