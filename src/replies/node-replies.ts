import { formatSat } from '@nostr-dm-agent/kit/sat';
import type { NodeLook, NodeUrl, Verdict } from '@nostr-dm-agent/routstr';
import { shorten } from './format.ts';
import { nodeName } from './provider-replies.ts';

/** What a verdict means, as a sentence. */
export const verdictText: Readonly<Record<Verdict, string>> = {
  trusted: 'Routstr reviewed it well.',
  rejected: '⚠ Routstr WARNS against this node.',
  unreviewed: '⚠ Nobody at Routstr has reviewed this node.',
};
const verdictWord: Readonly<Record<Verdict, string>> = {
  trusted: 'reviewed well',
  rejected: '⚠ WARNED AGAINST',
  unreviewed: '⚠ not reviewed',
};

/** What a node calls itself, without what would turn it round, hide in it, or pass for another part of the line. */
const plain = (said: string): string => said.replace(/[\p{C}\p{Zl}\p{Zp}“”„"·⚠]+/gu, ' ');

/** What a node calls itself, on a line of its own; undefined: nothing. */
export const nodeTitle = ({ name }: NodeLook): string | undefined =>
  name === undefined ? undefined : shorten(plain(name), 40);
/** A version as versions look. */
export const nodeVersion = ({ version }: NodeLook): string | undefined =>
  /^[\w.+-]{1,16}/.exec(version ?? '')?.[0];

/** One node on one line. Its name is its announcer's choice, its address comes first. */
export function nodeLine(look: NodeLook): string {
  const { url, verdict } = look;
  const name = nodeTitle(look);
  const facts =
    look.state === 'away'
      ? ['does not answer']
      : [
          look.taskSat === undefined ? undefined : `about ${formatSat(look.taskSat)} a task`,
          look.takesOurs === undefined ? undefined : look.takesOurs ? 'takes your mint' : '⚠ not your mint',
        ];
  return [
    nodeName(url),
    name === undefined ? undefined : `“${name}”`,
    nodeVersion(look),
    ...facts,
    verdictWord[verdict],
  ]
    .filter((fact) => fact !== undefined)
    .join(' · ');
}

/** The list, numbered. */
export function nodeLines(
  listing: { readonly nodes: readonly NodeLook[]; readonly more: number; readonly complete: boolean },
  { model, current }: { readonly model: string | undefined; readonly current: NodeUrl },
): readonly string[] {
  const without = listing.nodes.filter((look) => look.state === 'answers' && look.model === undefined);
  return [
    model === undefined
      ? 'Nodes:'
      : `Nodes, with the price of ${shorten(model.replace(/^routstr\//, ''), 60)}:`,
    ...listing.nodes.map(
      (look, index) =>
        `${index + 1}. ${nodeLine(look)}${model !== undefined && without.includes(look) ? ' · does not have the model' : ''}${look.url === current ? ' · in use' : ''}`,
    ),
    ...(listing.more > 0 ? [`${listing.more} more are announced.`] : []),
    ...(listing.complete ? [] : ['No relay could be asked for announcements and reviews; try again later.']),
    '!provider node <n> chooses one for the runs to come.',
  ];
}
