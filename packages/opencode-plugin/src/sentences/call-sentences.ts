import type { KeyRefusal } from '@nostr-dm-agent/routstr/remote';
import { sats } from './words.ts';

/**
 * What opencode shows where an answer should be. It repeats a call whose error holds certain digits or words, so no text
 * here may (docs/design.md#what-opencode-does): `quiet` sees to what is not fixed.
 */
export type CallProblem =
  | {
      readonly kind: 'short';
      readonly neededMsat: number | undefined;
      readonly availableMsat: number | undefined;
      readonly topUp: TopUpProblem | undefined;
    }
  | { readonly kind: 'key_refused' | 'model_unknown' | 'away' | 'busy' | 'cut' | 'slow' | 'nonsense' }
  | { readonly kind: 'bad_request'; readonly detail: string };

/** Why the key was not filled by itself. */
export type TopUpProblem =
  | { readonly kind: 'day_is_used'; readonly used: number; readonly perDay: number }
  | { readonly kind: 'not_ours' }
  | { readonly kind: 'refused'; readonly refusal: KeyRefusal['kind'] }
  | { readonly kind: 'failed' };

export function callText(problem: CallProblem): string {
  switch (problem.kind) {
    case 'short':
      return [shortText(problem), topUpText(problem.topUp), waysOn].filter((text) => text !== '').join(' ');
    case 'key_refused':
      return 'The node does not know this key: it is used up and closed, was refunded, or is of another node. Nothing was spent. Log in again: opencode auth login (Routstr). What the books know of it: nostr-dm-agent wallet keys.';
    case 'model_unknown':
      return 'The node no longer has this model. Nothing was spent. Choose another one: /models.';
    case 'away':
      return 'The node can’t be reached; it was asked three times. Nothing was spent. Is this computer online? Else ask once more in a minute, or choose another provider: /models.';
    case 'busy':
      return 'The node, or the model behind it, does not answer just now; it was asked three times. Ask once more in a minute, or choose another model: /models.';
    case 'cut':
      return 'The node hung up before it answered. What it took for that shows in /wallet. Ask once more, or choose another model: /models.';
    case 'slow':
      return 'The node has not begun to answer for five minutes. What it took for that shows in /wallet. Ask once more, or choose another model: /models.';
    case 'nonsense':
      return 'The node answered with something that is not a model’s answer. Ask once more, or choose another model: /models.';
    case 'bad_request':
      return quiet(`The node does not accept this request: ${problem.detail}`);
  }
}

const waysOn = 'Ways on: /wallet-topup puts more on the key, /models has cheaper models and other providers.';

function shortText({ neededMsat, availableMsat }: Extract<CallProblem, { kind: 'short' }>): string {
  const there =
    availableMsat === undefined ? '' : ` ${about(Math.floor(availableMsat / 1000), -1)} are there.`;
  return neededMsat === undefined
    ? `The key has too little money for this call.${there}`
    : `This call needs ${about(Math.ceil(neededMsat / 1000), 1)} on the key (the node holds the most that it can cost, and gives back what it did not).${there}`;
}

function topUpText(problem: TopUpProblem | undefined): string {
  switch (problem?.kind) {
    case undefined:
      return '';
    case 'day_is_used':
      return `It is not filled by itself: ${about(problem.used, 1)} of ${about(problem.perDay, 1)} for today are used.`;
    case 'not_ours':
      return 'It is not filled by itself: the key is not of this wallet.';
    case 'refused':
      return problem.refusal === 'short' || problem.refusal === 'short_with_fees'
        ? 'It is not filled by itself: the wallet has too little, too.'
        : 'It could not be filled from the wallet: /wallet says where the money is.';
    case 'failed':
      return 'It could not be filled from the wallet: /wallet says where the money is.';
  }
}

/** What makes opencode repeat a call, in numbers and in words. */
const digits = /429|500|502|503|504|524/;
const loud =
  /429|500|502|503|504|524|rate.?limit|too many requests|overloaded|service unavailable|internal error|server error|fetch failed|connection|try again|temporarily|exhausted/gi;

/** The nearest amount, up or down, whose digits mean nothing to opencode. */
function about(amount: number, step: 1 | -1): string {
  let near = amount;
  while (near > 0 && digits.test(sats(near))) near += step;
  return sats(near);
}

export const quiet = (text: string): string => text.replace(loud, '…');
