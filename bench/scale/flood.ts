import { generateSecretKey, type NostrEvent, signEvent } from '@nostr-dm-agent/nostr';
import { encrypt, getConversationKey } from 'nostr-tools/nip44';
import { createRumor, createSeal } from 'nostr-tools/nip59';
import type { BareRelay } from './bare-relay.ts';
import type { BigBot } from './big-bot.ts';
import { type Figures, median, seeded, taking } from './figures.ts';

const strangers = 200;
/** Delivered in so many seconds: 830 a second, a third of what one idle core opens. */
const seconds = 120;

/** Gift wraps of strangers, each genuine: its reader pays for a signature, a key agreement and a decryption. */
function wrapsOfStrangers(count: number, bot: string): readonly NostrEvent[] {
  const random = seeded(14);
  const now = Math.floor(Date.now() / 1000);
  // Each stranger's message is encrypted once, and its wrap dated and signed again.
  const patterns = Array.from({ length: strangers }, () => {
    const [key, author] = [generateSecretKey(), generateSecretKey()];
    const rumor = createRumor(
      { kind: 14, content: 'hello '.repeat(30), tags: [['p', bot]], created_at: now },
      key,
    );
    const content = encrypt(JSON.stringify(createSeal(rumor, key, bot)), getConversationKey(author, bot));
    return { author, content };
  });
  return Array.from({ length: count }, (_, n) => {
    const { author, content } = patterns[n % strangers] ?? { author: generateSecretKey(), content: '' };
    const created_at = now - Math.floor(random() * 172_000);
    return signEvent(
      {
        kind: 1059,
        created_at,
        tags: [
          ['p', bot],
          ['n', `${n}`],
        ],
        content,
      },
      author,
    );
  });
}

/** An owner asks, again and again, while strangers flood the bot's only relay, and after it when it is read up. */
export async function measureFlood(
  big: BigBot,
  relay: BareRelay,
  count: number,
  figures: Figures,
): Promise<void> {
  const { bot } = big;
  const wraps = wrapsOfStrangers(count, bot.publicKey);
  const ask = (): Promise<number> =>
    taking(async () => bot.owner.answer(await bot.owner.send('!ping'), /pong/, 60_000));
  for (let n = 0; n < 3; n += 1) await ask();
  const calm = big.rss();
  const waits: number[] = [];
  let flooding = true;
  let peak = calm;
  const looking = setInterval(() => {
    peak = Math.max(peak, big.rss());
  }, 200);
  const asking = (async () => {
    while (flooding) {
      waits.push(await ask());
      await Bun.sleep(200);
    }
  })();
  const begun = performance.now();
  const atOnce = Math.ceil(count / (seconds * 50));
  for (let from = 0; from < count; from += atOnce) {
    for (const wrap of wraps.slice(from, from + atOnce)) relay.take(wrap);
    const due = begun + ((from + atOnce) / count) * seconds * 1000;
    await Bun.sleep(Math.max(1, due - performance.now()));
  }
  figures.add('wraps of strangers', count, '');
  figures.add('delivered in', (performance.now() - begun) / 1000, 's');
  // What was too much is asked for again, and read.
  const after = performance.now();
  while (performance.now() - after < 20_000) await Bun.sleep(200);
  flooding = false;
  await asking;
  clearInterval(looking);
  figures.add('!ping answered, from phone to phone: median', median(waits), 'ms');
  figures.add('slowest of all', Math.max(...waits), 'ms', 2_000);
  figures.add('how often', waits.length, 'times');
  figures.add('memory before', calm, 'MiB');
  figures.add('at most', peak, 'MiB', calm + 200);
  figures.add('afterwards', big.rss(), 'MiB', calm + 150);
  figures.print('A flood of strangers');

  await bot.end('SIGTERM');
  figures.add('start behind all that the relay has stored', await taking(() => bot.start()), 'ms', 4_000);
  figures.add('!ping then', await ask(), 'ms', 2_000);
  figures.print('Started again');
}
