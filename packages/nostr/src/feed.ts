// What a program needs to subscribe at its relays, without the rest of the package: wraps, outbox, lists.
export { signEvent } from './event.ts';
export { createInboxFeed } from './inbox/inbox-feed.ts';
export { createRelays } from './relay/pool.ts';
export { relayTargets } from './relay/relay-target.ts';
export { hostOf } from './relay/relay-url.ts';
