import type { ConfigError } from './config-error.ts';

/** What is wrong with the configuration, as a list for the terminal. */
export function describeConfigError(error: ConfigError): string {
  const width = Math.max(...error.problems.map(({ variable }) => variable.length));
  const lines = error.problems.flatMap(({ variable, problem, example }) => [
    `  ${variable.padEnd(width)}  ${problem}`,
    `  ${' '.repeat(width)}  e.g. ${example}`,
  ]);
  return ["The configuration can't be used:", ...lines].join('\n');
}

/** What to do when there is no configuration at all. */
export const howToBegin = [
  'This bot is not set up yet: it needs a key of its own and the npub of its owner.',
  '  bun run setup     asks for what is needed and writes .env (as a package: nostr-dm-agent setup)',
  '  bun run sandbox   tries everything on this machine without any setup',
  'Every variable is explained in .env.example.',
].join('\n');
