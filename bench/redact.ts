import { createRedactor } from '@nostr-dm-agent/kit/log';

/** What the redaction layer costs per log line: `bun bench/redact.ts`. */
const redactor = createRedactor();
redactor.add('0123456789abcdef'.repeat(4));
redactor.add('fedcba9876543210'.repeat(4));

const id = 'ab'.repeat(32);
const prose = 'The agent read the file, found the key and changed two functions in it. ';
const cases: Record<string, unknown> = {
  'three small facts': { relay: 'wss://relay.example', id, ms: 12 },
  'an error with its stack and cause': { error: new Error('closed', { cause: new Error('reset') }) },
  '4 kB of prose': { text: prose.repeat(57) },
  '64 kB of prose': { text: prose.repeat(910) },
  '64 kB without a space': { text: 'a'.repeat(65_536) },
  'a list of 200 events': Array.from({ length: 200 }, () => ({ id, kind: 1059, tags: [['p', id]] })),
};

for (const [name, value] of Object.entries(cases)) {
  for (let warm = 0; warm < 50; warm++) redactor.value(value);
  const start = performance.now();
  let rounds = 0;
  while (performance.now() - start < 300) {
    redactor.value(value);
    rounds += 1;
  }
  const micros = ((performance.now() - start) * 1000) / rounds;
  console.log(`${name.padEnd(36)}${micros.toFixed(1).padStart(10)} µs`);
}
