import type { Logger } from '@nostr-dm-agent/kit/log';

/** Where an error comes from, without what it may quote. */
const plain = (value: unknown): unknown =>
  value instanceof Error ? `${value.name}: ${value.message.slice(0, 300)}` : value;

/** On standard error, which ssh carries to the bot: a line of JSON each, without the bot's own log library. */
export const createDriverLog = (own: Readonly<Record<string, unknown>> = {}): Logger => {
  const write =
    (level: string) =>
    (facts: Record<string, unknown>, message: string): void => {
      const all = Object.fromEntries(
        Object.entries({ ...own, ...facts }).map(([name, value]) => [name, plain(value)]),
      );
      process.stderr.write(`${JSON.stringify({ level, message, ...all }).slice(0, 2000)}\n`);
    };
  return {
    ...{ debug: () => undefined, info: write('info'), warn: write('warn'), error: write('error') },
    child: (facts) => createDriverLog({ ...own, ...facts }),
  };
};
