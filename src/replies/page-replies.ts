import type { Owner } from '../config/config.ts';
import { lines } from './format.ts';

export const pageOff = ({ role }: Owner): string =>
  role === 'admin'
    ? 'There is no page: BOT_PAGE is not set. With BOT_PAGE=127.0.0.1:7777 in the bot’s .env and a restart there is one.'
    : 'There is no page here. Whoever runs the bot can set BOT_PAGE.';

export const pageNotServed =
  'The page could not be opened; the log of the bot says why. If another program has its port: choose another one in BOT_PAGE, and start the bot anew.';

/** It leads to the machine that the bot runs on. */
export const pageLink = (link: string): string => {
  const { port } = new URL(link);
  return lines(
    link,
    'Good once, for 10 minutes, in a browser on the bot’s machine.',
    `From elsewhere first: ssh -L ${port}:127.0.0.1:${port} <that machine>`,
  );
};

/** It can't be known whether another copy of the bot acts. */
export const notTheOneToAct =
  'Not done: none of my relays tells me whether I am still the one with this key that is to act, and two copies of me must not both do it. It works as soon as one of them answers (“Relays” shows why not); stopping tasks works now.';

export const tasksByMessage = 'Tasks are sent to the bot by message; the page does commands.';
