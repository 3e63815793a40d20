import type { CatalogueEntry } from '../keys/catalogue.ts';
import { type LoginBegun, type LoginFacts, type LoginOutcome, loginMs } from '../keys/login-keeper.ts';
import { lines } from './format.ts';

const minutes = loginMs / 60_000;

/** What an owner has to do to log in. */
export const loginBegunText = (
  name: string,
  { provider, label, url, instructions, wantsCode }: LoginFacts,
): string =>
  lines(
    `${name}: ${label}. Open this on any device, and log in there:`,
    url,
    instructions,
    wantsCode
      ? `Then send what you are given there, within ${minutes} minutes: !provider connect ${provider} <code>`
      : `The bot waits ${minutes} minutes, and tells you when you are connected. !provider disconnect ${provider} gives it up.`,
  );

/** Why there is no login, and what to do instead. */
export function loginRefusedText(
  { id, name, keys }: Pick<CatalogueEntry, 'id' | 'name' | 'keys'>,
  { why }: Extract<LoginBegun, { state: 'refused' }>,
): string {
  const key = keys ? `Or with a key: !provider connect ${id} <key>.` : '';
  const host = `Whoever runs the bot can log in on the host: opencode auth login --provider ${id}; it is then part of provider local.`;
  switch (why) {
    case 'none':
      return lines(`opencode offers no login to ${name}.`, key);
    case 'comes_back':
      return lines(
        `The login to ${name} ends in a browser on the bot’s own machine, so it can’t be done from here.`,
        host,
        key,
      );
    case 'asks':
      return lines(`The login to ${name} asks for more than the bot can pass on.`, host, key);
    case 'failed':
      return lines(`${name} did not begin a login just now. Try again later.`, key);
    case 'crowded':
      return 'Others are logging in just now. Try again in a few minutes.';
    case 'unavailable':
      return lines('No server of opencode’s could be started for the login: !status says how it is.', key);
  }
}

/** What became of a login. */
export function loginOverText(name: string, id: string, outcome: LoginOutcome): string {
  switch (outcome) {
    case 'connected':
      return `Connected to ${name} by your login. !provider set ${id} lets your tasks use it, !new ${id} only a new session.`;
    case 'late':
      return `The login to ${name} was not finished in ${minutes} minutes, so nothing was changed. !provider connect ${id} begins anew.`;
    case 'failed':
      return `${name} did not let you in, so nothing was changed. !provider connect ${id} begins anew.`;
  }
}
