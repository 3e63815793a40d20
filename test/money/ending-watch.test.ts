import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import type { EndingMoney, MintUrl } from '@nostr-dm-agent/cashu-wallet';
import { sat } from '@nostr-dm-agent/kit/sat';
import { createEndingWatch } from '../../src/money/ending-watch.ts';
import { endingText } from '../../src/replies/wallet-news.ts';
import { createMeta } from '../../src/store/meta-table.ts';

test('money in a keyset that ends is told once before, once after, and again only for another keyset', () => {
  const db = new Database(':memory:');
  db.exec('CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)');
  const meta = createMeta(db);
  const told: string[] = [];
  const money = (keyset: string, ended: boolean, held: EndingMoney['held'] = 'ready'): EndingMoney => ({
    held,
    mint: 'https://mint.example' as MintUrl,
    keyset,
    amount: sat(1200),
    endsAt: Date.UTC(2027, 0, 2),
    ended,
  });
  const look = (...ending: readonly EndingMoney[]) =>
    // A new one each time: what was told is known after a restart, too.
    createEndingWatch(meta, (change) => change()).look({ ending: () => ending }, (each) =>
      told.push(endingText(each)),
    );
  look();
  look(money('a', false));
  look(money('a', false));
  look(money('a', true));
  look(money('a', true), money('b', false));
  look(money('a', true), money('a', false, 'sent'));
  expect(told).toEqual([
    '1,200 sat at mint.example are of a keyset that the mint ends on 2027-01-02, and it has no newer one to move them to. Take them out before: !wallet withdraw or !wallet move.',
    '1,200 sat at mint.example can no longer be spent: the mint has ended the keyset that they are of. Ask whoever runs it.',
    '1,200 sat at mint.example are of a keyset that the mint ends on 2027-01-02, and it has no newer one to move them to. Take them out before: !wallet withdraw or !wallet move.',
    '1,200 sat at mint.example are in tokens that nobody has claimed, of a keyset that the mint ends on 2027-01-02; after that nobody can. !wallet pending shows them, !wallet reclaim <id> takes one back.',
  ]);
  db.close();
});
