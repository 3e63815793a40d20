import { expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { never, wrapOf } from './support/relay-client.ts';
import { loopback, refusingUrl, relayWorld, reservePort } from './support/relay-world.ts';

setDefaultTimeout(30_000);

test.concurrent('s13: a publish to a relay that is down settles, and says why', async () => {
  await using world = relayWorld();
  const outcome = await world.connect(refusingUrl).publish(wrapOf('p'), 400, never());
  expect(outcome).toEqual({ result: 'unanswered', message: 'Failed to connect' });
});

test.concurrent('s13b: a publish waits for a relay that comes up in time', async () => {
  await using world = relayWorld();
  const port = await reservePort();
  const connection = world.connect(loopback(port));
  const outcome = connection.publish(wrapOf('p'), 15_000, never());
  await until(() => connection.status().state === 'waiting', 'the first attempt failing');
  const relay = world.relay({ port });
  expect(await outcome).toEqual({ result: 'accepted', message: '' });
  expect(relay.store.all()).toHaveLength(1);
});

test.concurrent('s14: a publish that the relay never answers settles', async () => {
  await using world = relayWorld();
  const relay = world.relay({ faults: { swallow: new Set(['EVENT']) } });
  const outcome = await world.connect(relay.url).publish(wrapOf('p'), 500, never());
  expect(outcome).toEqual({ result: 'unanswered', message: 'the relay did not answer' });
});

test.concurrent('s15: an event whose OK was lost with the connection is sent again', async () => {
  await using world = relayWorld();
  const sent: string[] = [];
  const relay = world.relay({
    faults: { dropOnEvent: 1 },
    onMessage: ([type]) => type === 'EVENT' && sent.push(type),
  });
  expect(await world.connect(relay.url).publish(wrapOf('p'), 15_000, never())).toMatchObject({
    result: 'accepted',
  });
  expect(sent).toHaveLength(2);
});

test.concurrent('an event that broke the connection twice is held back, and the others go through', async () => {
  await using world = relayWorld();
  const sent: string[] = [];
  const relay = world.relay({
    faults: { endBytes: 4_000 },
    onMessage: ([type, event]) => {
      if (type === 'EVENT') sent.push(event.content.length > 3_000 ? 'large' : event.content);
    },
  });
  const connection = world.connect(relay.url);
  const publish = (content: string) => connection.publish(wrapOf(content), 15_000, never());
  await until(() => connection.status().state === 'open', 'the connection');
  const outcomes = await Promise.all([publish('before'), publish('x'.repeat(5_000)), publish('behind')]);
  expect(outcomes).toMatchObject([
    { result: 'accepted' },
    { result: 'refused', permanent: false, wants: 'size' },
    { result: 'accepted' },
  ]);
  expect(sent.filter((what) => what === 'large')).toHaveLength(2);
  expect(await publish('later')).toMatchObject({ result: 'accepted' });
});

test.concurrent('an event that the relay has already counts as accepted', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const connection = world.connect(relay.url);
  const event = wrapOf('p');
  await connection.publish(event, 10_000, never());
  expect(await connection.publish(event, 10_000, never())).toEqual({
    result: 'accepted',
    message: 'duplicate: duplicate',
  });
  relay.faults.refuseEvents = 'duplicate: said with OK false';
  expect(await connection.publish(event, 10_000, never())).toMatchObject({ result: 'accepted' });
});

test.concurrent.each([
  ['blocked: not on the list', true],
  ['invalid: created_at is too early', true],
  ['pow: difficulty 20 is needed', true],
  ['restricted: members only', true],
  ['rate-limited: slow down', false],
  ['error: could not connect to the database', false],
  ['no prefix at all', false],
  ['', false],
])('a refusal with "%s" is permanent: %p', async (reason, permanent) => {
  await using world = relayWorld();
  const relay = world.relay({ faults: { refuseEvents: reason } });
  const outcome = await world.connect(relay.url).publish(wrapOf('p'), 10_000, never());
  expect(outcome).toMatchObject({ result: 'refused', permanent, message: reason });
});

test.concurrent('a relay that demands AUTH again after it accepted one refuses for good', async () => {
  await using world = relayWorld();
  const relay = world.relay({
    auth: 'dms',
    faults: { refuseEvents: 'auth-required: nobody is good enough' },
  });
  const outcome = await world.connect(relay.url).publish(wrapOf('p'), 10_000, never());
  expect(outcome).toEqual({
    result: 'refused',
    permanent: true,
    message: 'auth-required: nobody is good enough',
  });
});

test.concurrent('a relay that demands AUTH and sends no challenge leaves the publish unanswered', async () => {
  await using world = relayWorld();
  const relay = world.relay({ faults: { swallow: new Set(['EVENT']) } });
  const connection = world.connect(relay.url);
  await until(() => connection.status().state === 'open', 'the connection');
  const event = wrapOf('p');
  const publishing = connection.publish(event, 1_000, never());
  relay.sendRaw(JSON.stringify(['OK', event.id, false, 'auth-required: but how']));
  const outcome = await publishing;
  expect(outcome).toEqual({ result: 'unanswered', message: 'auth-required: but how' });
});

test.concurrent('what a relay says is one short line without control characters', async () => {
  await using world = relayWorld();
  const relay = world.relay({
    faults: { refuseEvents: `error: \u001b[31mred\u202e\nline ${'x'.repeat(500)}` },
  });
  const { message } = await world.connect(relay.url).publish(wrapOf('p'), 10_000, never());
  expect(message).toBe(`error: [31mred line ${'x'.repeat(500)}`.slice(0, 200));
});

test.concurrent('OK without a message, which NIP-01 does not allow, is understood', async () => {
  await using world = relayWorld();
  const relay = world.relay({ faults: { swallow: new Set(['EVENT']) } });
  const connection = world.connect(relay.url);
  await until(() => connection.status().state === 'open', 'the connection');
  const event = wrapOf('p');
  const outcome = connection.publish(event, 10_000, never());
  relay.sendRaw(JSON.stringify(['OK', event.id, true]));
  expect(await outcome).toEqual({ result: 'accepted', message: '' });
});

test.concurrent('the same event published twice at once is sent once, and both hear of it', async () => {
  await using world = relayWorld();
  const sent: string[] = [];
  const relay = world.relay({ onMessage: ([type]) => sent.push(type) });
  const connection = world.connect(relay.url);
  await until(() => connection.status().state === 'open', 'the connection');
  const event = wrapOf('p');
  const outcomes = await Promise.all([
    connection.publish(event, 10_000, never()),
    connection.publish(event, 10_000, never()),
  ]);
  expect(outcomes).toEqual([
    { result: 'accepted', message: '' },
    { result: 'accepted', message: '' },
  ]);
  expect(sent).toEqual(['EVENT']);
});

test.concurrent('a publish that is aborted settles at once, and is not sent later', async () => {
  await using world = relayWorld();
  const port = await reservePort();
  const connection = world.connect(loopback(port));
  const controller = new AbortController();
  const outcome = connection.publish(wrapOf('aborted'), 60_000, controller.signal);
  controller.abort();
  expect(await outcome).toEqual({ result: 'unanswered', message: 'aborted' });
  expect(await connection.publish(wrapOf('late'), 60_000, controller.signal)).toEqual({
    result: 'unanswered',
    message: 'aborted',
  });
  const relay = world.relay({ port });
  await connection.publish(wrapOf('sent'), 15_000, never());
  expect(relay.store.all().map(({ content }) => content)).toEqual(['sent']);
});

test.concurrent('closing settles what is being published, and what is published afterwards', async () => {
  await using world = relayWorld();
  const connection = world.connect(refusingUrl);
  const outcome = connection.publish(wrapOf('p'), 60_000, never());
  connection.close();
  expect(await outcome).toEqual({ result: 'unanswered', message: 'closed' });
  expect(await connection.publish(wrapOf('p'), 60_000, never())).toEqual({
    result: 'unanswered',
    message: 'closed',
  });
});
