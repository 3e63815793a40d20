import type { RequestNews, Requests } from '@nostr-dm-agent/cashu-wallet';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { createMailboxes, type Identity, type Relays } from '@nostr-dm-agent/nostr';
import { nprofileEncode } from 'nostr-tools/nip19';
import type { ToldPayments } from '../store/told-payments-table.ts';
import { createBackground } from './background.ts';

/** Payments that could not be redeemed are looked at again, and keys that are not listened to any more left, so often. */
const everyMs = 60_000;
/** A mint is not made to work for strangers faster than this, once something of theirs was worth nothing. */
const pauseAfterJunkMs = 6_000;
/** Relays that are named in a request: more of them make it too long for a QR code. */
const mostRelays = 3;
/** What a request can hold of one (a length of one byte), with room to spare. */
const longestRelay = 200;

export type RequestKeeperDeps = {
  readonly relays: Pick<Relays, 'own'>;
  readonly told: ToldPayments;
  /** One transaction over the bot's own database. */
  readonly atomically: (change: () => void) => void;
  /** Called in that transaction; durable when it returns. */
  readonly tell: (news: RequestNews) => void;
  readonly reached: (checkpoint: string) => void;
  readonly log: Logger;
};

/** Payment requests: listens at their keys, hands what comes to the wallet, has it redeemed, tells it once. */
export type RequestKeeper = {
  /** From now on top-ups give requests. To be called once the wallet has looked at what an earlier life left open. */
  readonly open: (wallet: Requests) => void;
  readonly close: () => Promise<void>;
};

export function createRequestKeeper(deps: RequestKeeperDeps): RequestKeeper {
  const log = deps.log.child({ of: 'payment requests' });
  const background = createBackground(log);

  const open = ({ requests }: Requests): void => {
    const tell = (): void => {
      for (const news of requests.news()) {
        deps.atomically(() => {
          if (deps.told.add(news.payment)) deps.tell(news);
        });
        deps.reached('payment:told');
        requests.newsTold(news);
        deps.told.remove(news.payment);
      }
    };
    let isRedeeming = false;
    let isMore = false;
    const redeem = async (): Promise<void> => {
      isMore = true;
      if (isRedeeming) return;
      isRedeeming = true;
      try {
        while (isMore) {
          isMore = false;
          for (;;) {
            const outcome = await requests.redeemNext(background.signal);
            if (outcome === undefined) break;
            tell();
            if (outcome !== 'redeemed') await background.pause(pauseAfterJunkMs);
          }
        }
      } finally {
        isRedeeming = false;
      }
    };
    const redeemBehind = (): void => background.run('redeeming payments', redeem);

    const mailboxes = createMailboxes({
      relays: deps.relays.own,
      keys: () => requests.mailboxes().map((mailbox) => mailbox as Identity),
      since: requests.since,
      onLetter: ({ mailbox, content }) => {
        const delivery = requests.deliver(mailbox, content);
        if (delivery === 'kept') redeemBehind();
        if (delivery === 'refused') background.run('telling of a payment', async () => tell());
        return delivery === 'later' ? 'later' : 'done';
      },
      log,
    });
    /** Where payers reach a key: relays that are there, and deliver what is sent to such keys. */
    const addressOf = (pubkey: string): string | undefined => {
      const usable = deps.relays.own.filter(
        ({ url }) => url.length <= longestRelay && mailboxes.isServedBy(url) !== false,
      );
      const up = usable.filter((relay) => relay.status().state === 'open');
      const relays = [...new Set([...up, ...usable])].slice(0, mostRelays).map(({ url }) => url);
      return relays.length === 0 ? undefined : nprofileEncode({ pubkey, relays });
    };
    requests.reachedAt(addressOf, mailboxes.refresh);
    mailboxes.start(background.signal);
    background.run('redeeming payments', async () => {
      tell();
      await redeem();
    });
    background.repeat('looking after payment requests', everyMs, async () => {
      mailboxes.refresh();
      // The wallet's own upkeep redeems, too.
      tell();
      await redeem();
    });
  };
  return { open, close: background.close };
}
