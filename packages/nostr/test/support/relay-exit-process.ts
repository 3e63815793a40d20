// Subscribes, publishes and queries at a relay that answers and at one that never does, closes both, and is then to
// exit by itself: a timer or socket left over would keep the process alive.

import { until } from '@nostr-dm-agent/kit/testing/until';
import { parseRelayUrl } from '../../src/relay/relay-url.ts';
import { connectTo, listenTo, never, wrapFilters, wrapOf } from './relay-client.ts';

const [answering = '', silent = ''] = process.argv.slice(2);
const listener = listenTo(parseRelayUrl(answering));
await until(() => listener.eoses() > 0, 'EOSE');
const deaf = connectTo(parseRelayUrl(silent), { timings: { connectMs: 600_000 } });
deaf.subscribe({ filters: wrapFilters, onEvent: () => {} }, never());
const published = deaf.publish(wrapOf('x'), 600_000, never());
const queried = deaf.query(wrapFilters(), 600_000, never()).catch((error: Error) => error.name);
listener.connection.close();
deaf.close();
if ((await published).result !== 'unanswered') process.exitCode = 2;
if ((await queried) !== 'RelayError') process.exitCode = 3;
