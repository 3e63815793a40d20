import { untilAborted } from '@nostr-dm-agent/kit/abort';
import { pageLink, pageNotServed, pageOff } from '../replies/page-replies.ts';
import { type Command, RefusalError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

/** `!page`: the way in to the operator's page. */
export const pageCommand = ({ page }: Pick<CommandDeps, 'page'>): Command => ({
  path: 'page',
  family: 'Bot',
  summary: 'a one-time link to the bot’s page in a browser',
  role: 'member',
  kind: 'lasting',
  repeatable: true,
  run: async ({ owner }, signal) => {
    if (page === undefined) throw new RefusalError(pageOff(owner));
    const link = await untilAborted(page.linkFor(owner.publicKey), signal);
    if (link === undefined) throw new RefusalError(pageNotServed);
    return pageLink(link);
  },
});
