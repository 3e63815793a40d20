import { formatSat, msatToSatFloor } from '@nostr-dm-agent/kit/sat';
import type { StuckFacts } from '@nostr-dm-agent/page';
import type { PaidRunIn } from '@nostr-dm-agent/routstr';
import { nodeName } from './provider-replies.ts';
import { inDoubt, problemSentence } from './routstr/paid-run-replies.ts';

/**
 * A run that needs a person, in the parts that it is shown in: what is wrong, what to do, what is known.
 * @param operator npub of the node, if it says it @param isReaders whether its task may be shown
 */
export function stuckRun(
  run: PaidRunIn<'needs_operator'>,
  operator: string | undefined,
  isReaders: boolean,
): Omit<StuckFacts, 'evidence'> {
  const { body, ticket, node } = run;
  const ask = operator === undefined ? 'whoever runs the node' : 'the operator of the node on Nostr';
  return {
    id: run.id,
    problem: problemSentence(body),
    inDoubt: inDoubt(body),
    task: isReaders && ticket.prompt !== '' ? ticket.prompt : undefined,
    where: nodeName(node),
    operator,
    since: body.dueSince,
    todo: [
      `Write to ${ask}: say which run it is, when it was, and the request ids of the answers below.`,
      'They find it by those ids. Never give them a token or your wallet’s words.',
      'Nothing else is needed: the node is asked once a day, and money that turns up is taken in.',
      'Until it is cleared up, take another node: !provider nodes shows them.',
    ],
    amounts: [
      { name: 'Budget', amount: formatSat(ticket.budget) },
      { name: 'In the token', amount: formatSat(body.face) },
      { name: 'Credited by the node', amount: msatText(body.creditedMsat, 'never, as far as it says') },
      { name: 'Cost, as metered here', amount: msatText(body.meteredMsat, 'not known') },
    ],
  };
}

const msatText = (msat: number | undefined, otherwise: string): string =>
  msat === undefined ? otherwise : formatSat(msatToSatFloor(msat));
