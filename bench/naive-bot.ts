// The alternative in bench/bot.ts: the shortest bot that one writes with nostr-tools. It checks nobody, stores nothing,
// and forgets what it was doing when it ends.

import * as nip17 from 'nostr-tools/nip17';
import * as nip59 from 'nostr-tools/nip59';
import { SimplePool } from 'nostr-tools/pool';
import { getPublicKey } from 'nostr-tools/pure';

const [relay = '', key = '', agent = '', workspace = ''] = process.argv.slice(2);
const secretKey = new Uint8Array(Buffer.from(key, 'hex'));
const pool = new SimplePool();
const reply = (to: string, text: string) =>
  Promise.all(pool.publish([relay], nip17.wrapEvent(secretKey, { publicKey: to }, text)));

pool.subscribe(
  [relay],
  { kinds: [1059], '#p': [getPublicKey(secretKey)] },
  {
    onevent: async (event) => {
      const rumor = nip59.unwrapEvent(event, secretKey);
      if (rumor.content === '!ping') {
        await reply(rumor.pubkey, 'pong');
        return;
      }
      const child = Bun.spawn([agent, 'run', '--format', 'json'], {
        cwd: workspace,
        env: { ...process.env, PWD: workspace },
        stdin: new TextEncoder().encode(rumor.content),
      });
      const output = await new Response(child.stdout).text();
      await reply(rumor.pubkey, `did ${output.length}`);
    },
  },
);
