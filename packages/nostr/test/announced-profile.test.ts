import { expect, test } from 'bun:test';
import { generateSecretKey, signEvent } from '../src/event.ts';
import { type BotProfile, wantedContent } from '../src/lists/announced-events.ts';

const key = generateSecretKey();
const profile = { name: 'bot', about: 'x', lud16: 'me@example.com' };

/** The profile that is announced, given what there is. */
function announced(content: object | undefined, ours: BotProfile = profile): unknown {
  const template = { kind: 0, created_at: 1, tags: [], content: JSON.stringify(content) };
  const event = content === undefined ? undefined : signEvent(template, key);
  const wanted = wantedContent(0, event, { own: [], profile: ours });
  return wanted === 'as it is' ? wanted : JSON.parse(wanted.content);
}

test('the servers of the bot’s files are listed, best first, and once', () => {
  const fileServers = ['https://a.example', 'https://b.example'];
  const wanted = (tags: string[][] | undefined) => {
    const event = tags && signEvent({ kind: 10063, created_at: 1, tags, content: '' }, key);
    return wantedContent(10063, event, { own: [], profile, fileServers });
  };
  const tags = fileServers.map((url) => ['server', url]);
  expect(wanted(undefined)).toEqual({ content: '', tags });
  expect(wanted(tags)).toBe('as it is');
  expect(wanted(tags.toReversed())).toEqual({ content: '', tags });
});

test('a profile says where zaps go once its operator has said so, and keeps what else is there', () => {
  const there = { name: 'Bob', bot: true, picture: 'p' };
  expect(announced(undefined)).toEqual({ ...profile, bot: true });
  expect(announced(there)).toEqual({ ...there, lud16: 'me@example.com' });
  expect(announced({ ...there, lud16: 'old@example.com' })).toEqual({ ...there, lud16: 'me@example.com' });
  expect(announced({ ...there, lud16: 'me@example.com' })).toBe('as it is');
  expect(announced({ ...there, lud16: 'old@example.com' }, { name: 'bot', about: 'x' })).toBe('as it is');
});
