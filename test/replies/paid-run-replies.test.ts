import { describe, expect, test } from 'bun:test';
import { readMintUrl } from '@nostr-dm-agent/cashu-wallet/open';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { NodeUrl, QuestionRefusal, RunRefusal, Whereabouts } from '@nostr-dm-agent/routstr';
import { parseNodeUrl } from '@nostr-dm-agent/routstr';
import { questionRefusal } from '../../src/replies/quick-replies.ts';
import { depositRefusal } from '../../src/replies/routstr/node-account-replies.ts';
import { moreRefusal, runRefusal } from '../../src/replies/routstr/paid-run-replies.ts';

const node: NodeUrl = parseNodeUrl('https://node.example');
const mint = 'https://mint.example/Bitcoin';
const evidence = { status: 429, code: undefined, message: 'slow down', requestId: undefined };
const amount = sat(2000);
const back: Whereabouts = { state: 'back', spent: sat(0), change: sat(1998), fee: sat(2) };
const coming: Whereabouts = { state: 'coming' };
const gone = { state: 'not_sent', evidence } as const;
const short = { kind: 'short', have: sat(500), need: amount } as const;
const withFees = { kind: 'short_with_fees', have: sat(2000), need: sat(2004) } as const;
const notCredited = { kind: 'not_credited', node, amount, outcome: gone, money: back } as const;

describe('a run that does not begin is answered with what there is, what is needed and the ways on', () => {
  const rows: readonly (readonly [string, RunRefusal, RegExp])[] = [
    ['an empty wallet', short, /500 sat ready; this run needs 2,000 sat\. !wallet topup 1500 makes/],
    ['fees that make it too little', withFees, /2,000 sat ready; this run needs 2,004 sat.*topup 4 /],
    [
      'too little at the node’s mint',
      { ...short, mint: readMintUrl(mint) },
      /!wallet topup 1500 mint\.example\/Bitcoin makes/,
    ],
    [
      'a budget that is too small for the model',
      { kind: 'below_minimum', budget: sat(500), minimum: sat(672), model: 'claude-sonnet-4.5' },
      /500 sat is too little for claude-sonnet-4\.5: it needs 672 sat.*!!672, or use !provider budget 672/,
    ],
    ['no budget', { kind: 'no_budget' }, /0 sat.*!provider budget 2000/],
    [
      'a day that has cost enough',
      { kind: 'day_limit', limit: sat(5000), used: sat(4004), budget: amount },
      /5,000 sat for one day is reached: 4,004 sat.*2,000 sat more\. !provider limit/,
    ],
    [
      'an owner’s own limit',
      { kind: 'owner_limit', limit: sat(5000), used: sat(4000), budget: amount },
      /Your limit of 5,000 sat.*!!1000 .*!limit/,
    ],
    ['a mint that is away', { kind: 'mint_away', mint }, /mint\.example\/Bitcoin.*Nothing was spent; !retry/],
    ['a token in doubt', { kind: 'token_unfinished' }, /was not started.*!wallet pending/],
    ['a node that is away', { kind: 'node_away', node }, /node\.example does not answer.*!provider nodes/],
    ['its money with it', { kind: 'account_away', node }, /node\.example does not answer.*kept there/],
    [
      'a node that did not take it',
      notCredited,
      /can’t be reached.*back in the wallet, less 2 sat of the mint’s/,
    ],
    ['the same, for now', { ...notCredited, money: coming }, /being taken back; you will be told/],
    [
      'a node that took too much',
      { kind: 'credited_short', node, amount, creditedMsat: 100_000 },
      /credited 100 sat for a budget of 2,000 sat, so the run was not started/,
    ],
    [
      'no node that can take it',
      {
        kind: 'no_fallback',
        first: { kind: 'node_away', node },
        others: [
          { url: parseNodeUrl('https://b.example'), why: 'minimum' },
          { url: parseNodeUrl('https://c.example'), why: 'no_model' },
        ],
      },
      /node\.example does not answer.*either: b\.example needs a bigger.*; c\.example does not have the model\.$/,
    ],
  ];
  test.each(rows)('%s', (_, refusal, expected) => expect(runRefusal(refusal)).toMatch(expected));

  test('money at a mint that the node does not take: with the move, and with the mint to accept', () => {
    const elsewhere = { kind: 'no_common_mint', node, listed: [mint] } as const;
    const text = runRefusal(elsewhere);
    expect(text).toContain('takes money of mint.example/Bitcoin');
    expect(text).toContain(`!wallet mints add ${mint}`);
    expect(text).toContain('!provider nodes');
  });
});

describe('an addition to a run that is under way', () => {
  test('names what is missing, and no other budget or provider', () => {
    for (const refusal of [short, withFees]) {
      const text = moreRefusal(refusal);
      expect(text).toMatch(/can’t be added\. Add less, or fill the wallet first: !wallet topup \d+\.$/);
      expect(text).not.toContain('!provider');
    }
  });

  test('says where its money is', () => {
    expect(moreRefusal(notCredited)).toBe(
      'The node node.example can’t be reached, so nothing was added. It is back in the wallet, less 2 sat of the mint’s fees.',
    );
    expect(moreRefusal({ ...notCredited, money: coming })).toContain('being taken back');
    expect(moreRefusal({ kind: 'still_adding' })).toContain('not known yet');
    expect(moreRefusal({ kind: 'run_over' })).toContain('!continue');
    expect(moreRefusal({ kind: 'mint_away', mint })).toContain('nothing was added');
  });
});

test('a deposit that was not made is answered with where the money is', () => {
  expect(depositRefusal(short)).toContain('!wallet topup 1500');
  expect(depositRefusal(withFees)).toContain('fees included. !wallet topup 4');
  expect(depositRefusal({ kind: 'leaving', node })).toContain('on its way back');
  expect(depositRefusal({ kind: 'arriving', node, amount: sat(500) })).toContain(
    'earlier deposit of 500 sat',
  );
  expect(depositRefusal(notCredited)).toEndWith(
    'so nothing was deposited. The 2,000 sat are back in the wallet, less 2 sat of fees.',
  );
  const interrupted = { kind: 'interrupted', amount } as const;
  expect(depositRefusal({ ...interrupted, money: back })).toContain('back in the wallet');
  expect(depositRefusal({ ...interrupted, money: coming })).toContain('being taken back');
  expect(depositRefusal({ ...interrupted, money: { state: 'never_left' } })).toContain('Send it again.');
  expect(depositRefusal({ ...interrupted, money: { state: 'in_doubt' } })).toContain('in doubt');
});

describe('a question without an answer', () => {
  const budget = sat(17);
  const unanswered = (
    outcome: Extract<QuestionRefusal, { kind: 'unanswered' }>['outcome'],
    money: Whereabouts = coming,
  ): string => questionRefusal({ kind: 'unanswered', node, budget, outcome, money });

  test('that costs too much says how much', () => {
    expect(questionRefusal(short)).toMatch(
      /500 sat ready; this question needs 2,000 sat\. !wallet topup 1500 makes/,
    );
    expect(questionRefusal({ kind: 'too_dear', budget, most: sat(10) })).toMatch(
      /takes up to 17 sat, and a member may spend at most 10 sat at once/,
    );
    expect(questionRefusal({ kind: 'day_limit', limit: sat(5), used: sat(0), budget })).toMatch(
      /limit of 5 sat.*this question would take up to 17 sat/,
    );
  });

  test('says what the node did, and what became of the money', () => {
    const refused = { state: 'refused', neededMsat: undefined, evidence } as const;
    expect(unanswered(refused, back)).toBe(
      'The node node.example did not answer the question (429: slow down). The money is back in the wallet, less 2 sat of the mint’s fees.',
    );
    expect(unanswered({ ...refused, neededMsat: 540_000 })).toContain('wants 540 sat');
    expect(unanswered(gone)).toMatch(/can’t be reached\. .*you will be told when it is back/);
    const dear = { state: 'back', spent: sat(1), change: sat(15), fee: sat(1) } as const;
    expect(unanswered({ state: 'no_answer', evidence }, dear)).toContain('It cost 1 sat; 15 sat are back');
    expect(questionRefusal({ kind: 'asked_before', budget, money: { state: 'never_left' } })).toMatch(
      /does not ask again by itself.*Nothing had left the wallet\./,
    );
  });
});
