import type { TimeSource } from '@nostr-dm-agent/kit/compare-clock';
import type { Config } from './config.ts';

/** Everybody whom the bot speaks with anyway, and who puts a date on an answer. */
export const timeSourcesOf = ({
  wallet,
  node,
  relays,
}: Pick<Config, 'wallet' | 'node' | 'relays'>): readonly TimeSource[] => [
  ...(wallet === undefined
    ? []
    : [named('mint', `${wallet.mintUrl}/v1/info`), named('node', `${node}/info`)]),
  ...relays.map((url) => named('relay', url)),
];

const named = (what: string, url: string): TimeSource => ({ name: `${what} ${new URL(url).host}`, url });
