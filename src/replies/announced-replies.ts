import type { AnnouncedProvider } from '../keys/announced/announced-provider.ts';
import type { Announced, Announcement, AnnouncerAddress, NotTaken } from '../keys/announced/announcement.ts';
import type { Found } from '../keys/announced/fetch-announcement.ts';
import { lines, plural } from './format.ts';

/** What an address announces, and how its owner comes to a key for it. */
export function announcementText(
  { id, name }: Pick<AnnouncedProvider, 'id' | 'name'>,
  { announced, command, notTaken, otherSettings }: Announcement,
  isThere: boolean,
): string {
  const models = Object.keys(announced.models).length;
  return lines(
    `${name} announces ${plural(models, 'model')}; what your tasks send would go to ${hostsOf(announced)}.`,
    command === undefined
      ? `Its key is what a command prints that can’t be shown here (too long, or with hidden characters): see ${announced.url}/.well-known/opencode.`
      : `Its key is what this command prints:\n\n${command}\n`,
    `The bot never runs it. Look at it, run it yourself where you trust it, and send what it prints: !provider connect ${id} <key>`,
    isThere &&
      `You have a connection to it already: with the same key what it announces is read anew, another key takes its place when you say so.`,
    notTaken.length > 0 && `Not taken: ${notTaken.slice(0, 5).map(notTakenText).join('; ')}.`,
    otherSettings.length > 0 && `Its other settings are not taken: ${otherSettings.join(', ')}.`,
  );
}

/** Where it leads now: it may have announced something else when its owner looked at it, or they did not look. */
export const leadsToText = (announced: Announced): string =>
  `What it is asked goes to ${hostsOf(announced)}.`;

const hostsOf = ({ models }: Announced): string =>
  [...new Set(Object.values(models).map(({ provider }) => new URL(provider.api).host))].join(', ');

const reasons: Readonly<Record<NotTaken['why'], string>> = {
  id: 'its name is none',
  sdk: 'it needs a program that opencode does not have in it',
  address: 'it has no https address of its own that an agent may reach',
  key: 'its key is not the one that the command prints',
  headers: 'it wants more than a key (headers)',
  models: 'it names no model',
};
const notTakenText = ({ id, why }: NotTaken): string => `${id ?? 'one'} (${reasons[why]})`;

/** Why nothing is connected of what an address announces. */
export function unreadText(
  { url, id }: AnnouncerAddress,
  found: Exclude<Found, { state: 'good' }> | { readonly state: 'taken' },
): string {
  if (found.state === 'taken')
    return `The name ${id} is taken here, by a provider that opencode or the bot’s own configuration knows: !provider connect ${id} <key>, or another address.`;
  const at = `${url}/.well-known/opencode`;
  switch (found.why) {
    case 'unreachable':
      return `${id} could not be reached. Try again later.`;
    case 'inside':
      return `${id} leads into this machine or its network, where the bot asks nothing for others.`;
    case 'elsewhere':
      return `${id} sends from one address to the next without end.`;
    case 'large':
      return `What is at ${at} is too large for an announcement.`;
    case 'none':
      return `There is no announcement at ${at} (${found.status}). !provider connect <id> <key> connects the providers that opencode knows.`;
    case 'form':
      return `What is at ${at} is no announcement of a provider.`;
    case 'later':
      return `${id} shows its providers only to those who are logged in (remote_config), which the bot does not follow. Whoever runs the bot can log in on the host: opencode auth login ${url}; it is then part of provider local.`;
    case 'nothing':
      return lines(
        `${id} announces no provider that a key and an address are enough for.`,
        found.notTaken.length > 0 && `Not taken: ${found.notTaken.slice(0, 5).map(notTakenText).join('; ')}.`,
      );
  }
}

/** Why an address is not even asked. */
export function refusedAddressText(why: 'plain' | 'host' | 'more'): string {
  switch (why) {
    case 'plain':
      return 'An announcement is read over https alone.';
    case 'host':
      return 'A provider is announced by a host of the internet, by its name: https://corp.example.';
    case 'more':
      return 'The address of an announcement is the host alone, without a path, a login or a query: https://corp.example.';
  }
}
