import type { KeyAtNode, KeyFacts } from '@nostr-dm-agent/routstr/remote';
import { keyListText, keyNewsText, refundedText } from '../../replies/key-replies.ts';
import { CommandFailure } from './command-failure.ts';
import { booksAsCsv } from './export-csv.ts';
import type { WalletOutput } from './terminal-output.ts';

/** `wallet refund [key|all]`: what is on persistent keys comes home; without one, which there are. */
export async function refund(output: WalletOutput, which: string | undefined): Promise<number> {
  await tellNews(output);
  if (which === undefined) return list(output);
  const keys = await output.askKeys((session, signal) => session.keys('open', signal));
  const chosen = which === 'all' ? keys : [keyMeant(keys, which.trim())];
  const refunds = [];
  for (const { id } of chosen) {
    refunds.push(await output.askKeys((session, signal) => session.refundKey(id, signal)));
  }
  output.answer(
    { refunds },
    refunds.length === 0 ? 'No key has money at a node.' : refunds.map(refundedText).join('\n'),
  );
  return refunds.every(({ state }) => state === 'returned') ? 0 : 1;
}

async function list(output: WalletOutput): Promise<number> {
  const seen = await output.askKeys(async (session, signal): Promise<readonly KeyAtNode[]> => {
    const keys = await session.keys('open', signal);
    const looks = await Promise.all(keys.map(({ id }) => session.keyInfo(id, signal)));
    return looks.filter((look) => look !== undefined);
  });
  output.answer({ keys: seen }, keyListText(seen, Date.now()));
  return 0;
}

/** By its id, by how the key begins, or by the whole key. */
function keyMeant(keys: readonly KeyFacts[], text: string): KeyFacts {
  const found = keys.filter(
    ({ id, label }) => id === text || (text.length >= 6 && (id.startsWith(text) || isOfLabel(label, text))),
  );
  const [key] = found;
  if (key !== undefined && found.length === 1) return key;
  throw new CommandFailure(
    'WalletUsageError',
    found.length > 1
      ? 'More than one key begins like that: wallet refund lists them.'
      : 'No key that has money at a node begins like that: wallet refund lists them.',
  );
}

const isOfLabel = (label: string | undefined, text: string): boolean =>
  label !== undefined && (label.startsWith(text) || text.startsWith(label));

/** What an earlier life left, on the way. */
async function tellNews(output: WalletOutput): Promise<void> {
  const news = await output.askKeys((session, signal) => session.news(signal));
  for (const each of news) output.remark(keyNewsText(each));
}

/** `wallet export`: ledger, operations and keys, for a spreadsheet or a program. Holds no secret. */
export async function exportBooks(output: WalletOutput): Promise<undefined> {
  const books = await output.askKeys((session, signal) => session.export(signal));
  output.answer(books, booksAsCsv(books));
}
