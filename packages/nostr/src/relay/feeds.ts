import type { FeedStatus } from './relay.ts';

/** How the named subscriptions of one relay fare. */
export type Feeds = {
  /** For one subscription: tells how it fares. Without a name nothing is kept. */
  readonly open: (name: string | undefined) => {
    readonly report: (state: FeedStatus['state'], problem?: string) => void;
    readonly close: () => void;
  };
  readonly status: () => readonly FeedStatus[];
};

export function createFeeds(): Feeds {
  const feeds = new Map<symbol, FeedStatus>();
  return {
    open: (name) => {
      const key = Symbol(name);
      return {
        report: (state, problem) => {
          if (name !== undefined) feeds.set(key, { name, state, problem });
        },
        close: () => {
          feeds.delete(key);
        },
      };
    },
    status: () => [...feeds.values()],
  };
}
