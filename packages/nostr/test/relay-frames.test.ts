import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseRelayFrame, peekEventFrame, relayText } from '../src/relay/frames.ts';
import { wrapOf } from './support/relay-client.ts';

const event = wrapOf('hello');

describe('a frame of a relay', () => {
  test.each([
    [['EVENT', 's1', event], { type: 'EVENT', subscriptionId: 's1', event }],
    [['EVENT', 's1', { ...event, extra: true }], { type: 'EVENT', subscriptionId: 's1', event }],
    [['EOSE', 's1'], { type: 'EOSE', subscriptionId: 's1' }],
    [['CLOSED', 's1', 'error: x'], { type: 'CLOSED', subscriptionId: 's1', message: 'error: x' }],
    [['CLOSED', 's1'], { type: 'CLOSED', subscriptionId: 's1', message: '' }],
    [['CLOSED', 's1', null], { type: 'CLOSED', subscriptionId: 's1', message: '' }],
    [['OK', event.id, true], { type: 'OK', eventId: event.id, accepted: true, message: '' }],
    [
      ['OK', event.id, false, 'pow: 20', 'more'],
      { type: 'OK', eventId: event.id, accepted: false, message: 'pow: 20' },
    ],
    [['AUTH', 'c'], { type: 'AUTH', challenge: 'c' }],
    [['NOTICE', 'n'], { type: 'NOTICE', message: 'n' }],
    [['COUNT', 's1', { count: 1 }], { type: 'malformed' }],
    [['OK', 'x', true], { type: 'malformed' }],
    [['OK', event.id, 'true'], { type: 'malformed' }],
    [['AUTH', 'c'.repeat(1_025)], { type: 'malformed' }],
    [['EVENT', 's1', { ...event, kind: -1 }], { type: 'malformed' }],
    [['EVENT', 's1', { ...event, created_at: 1.5 }], { type: 'malformed' }],
    [['EVENT', 's1', { ...event, id: event.id.toUpperCase() }], { type: 'malformed' }],
    [['EVENT', 's1', { ...event, content: undefined }], { type: 'malformed' }],
    [{ 0: 'EOSE', 1: 's1' }, { type: 'malformed' }],
  ])('%j is read as %j', (frame, expected) => {
    expect(parseRelayFrame(JSON.stringify(frame))).toEqual(JSON.parse(JSON.stringify(expected)));
  });

  test('whatever it is, reading it throws nothing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.array(fc.jsonValue()).map((x) => JSON.stringify(x)),
        ),
        (text) => {
          peekEventFrame(text);
          expect(parseRelayFrame(text).type).toBeString();
        },
      ),
    );
  });
});

describe('the look at an EVENT frame before it is parsed', () => {
  test('finds what parsing finds, whatever the content and tags look like', () => {
    const tricky = fc.oneof(fc.string(), fc.constant(`"id":"${'a'.repeat(64)}"`), fc.constant('\\","id":"'));
    fc.assert(
      fc.property(tricky, fc.array(fc.array(tricky)), fc.boolean(), (content, tags, idLast) => {
        const { id, ...rest } = event;
        const body = idLast ? { ...rest, tags, content, id } : { id, ...rest, tags, content };
        expect(peekEventFrame(JSON.stringify(['EVENT', 's1', body]))).toEqual({
          subscriptionId: 's1',
          eventId: id,
        });
      }),
    );
  });

  test('also with spaces in the JSON, and not in other frames', () => {
    expect(peekEventFrame(`["EVENT","s1", {"id" : "${event.id}"}]`)?.eventId).toBe(event.id);
    expect(peekEventFrame('["EOSE","s1"]')).toBeUndefined();
    expect(peekEventFrame(`["EVENT","${'s'.repeat(65)}",{}]`)).toBeUndefined();
    expect(peekEventFrame('["EVENT","s1')).toBeUndefined();
  });
});

describe('text of a relay', () => {
  test('becomes one printable line of at most 200 characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (text) => {
        const line = relayText(text);
        expect(line.length).toBeLessThanOrEqual(200);
        expect(line).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
        expect(line.isWellFormed()).toBe(true);
      }),
    );
  });

  test('keeps what is harmless', () => {
    expect(relayText('blocked: für 🤖, (см. FAQ)')).toBe('blocked: für 🤖, (см. FAQ)');
    expect(relayText(`${'x'.repeat(199)}🤖`).isWellFormed()).toBe(true);
    expect(relayText(undefined)).toBe('');
    expect(relayText({ a: 1 })).toBe('');
  });
});
