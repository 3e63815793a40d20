import { describe, expect, test } from 'bun:test';
import { correctionText } from '../../src/replies/run-replies.ts';
import { answerEarly } from '../../src/runs/answer-early.ts';
import type { Settlement } from '../../src/runs/provider.ts';

const bill = { spent: 136, budget: 2000 };
const answering = () => {
  const answers: Settlement[] = [];
  return {
    answers,
    answer: async (settlement: Settlement) => {
      answers.push(settlement);
      return true;
    },
  };
};

describe('an answer', () => {
  test('goes out with the bills when mint and node take their time, and the books follow', async () => {
    const { answers, answer } = answering();
    const { promise, resolve } = Promise.withResolvers<Settlement>();
    const done = answerEarly(promise, bill, async (settlement) => {
      const stored = await answer(settlement);
      resolve({ ...bill, spent: 137 });
      return stored;
    });
    expect(await done).toEqual({ settlement: { ...bill, spent: 137 }, told: bill });
    expect(answers).toEqual([bill]);
  });

  test('waits for the books where they are there at once, where no bill says what it cost, where it can’t be stored', async () => {
    const { answers, answer } = answering();
    const books = { ...bill, fee: 2 };
    expect(await answerEarly(Promise.resolve(books), bill, answer)).toEqual({
      settlement: books,
      told: undefined,
    });
    expect(
      await answerEarly(
        Bun.sleep(20).then(() => books),
        undefined,
        answer,
      ),
    ).toMatchObject({ told: undefined });
    expect(answers).toEqual([]);
    const late = Bun.sleep(20).then(() => books);
    expect(await answerEarly(late, bill, async () => false)).toEqual({ settlement: books, told: undefined });
  });
});

test('What an answer said before the books is corrected only when they say something else', () => {
  expect(correctionText(bill, bill)).toBeUndefined();
  expect(correctionText(bill, { ...bill, fee: 2 })).toBeUndefined();
  expect(correctionText(bill, undefined)).toBeUndefined();
  expect(correctionText(bill, { ...bill, spent: 140 })).toBe(
    'That task cost 140 of 2000 sat; its bills came to 136 sat.',
  );
  expect(correctionText(bill, { ...bill, owed: 1864 })).toBe(
    'The change of that task is not back yet: 1,864 sat are owed by the node, and asked for.',
  );
  expect(correctionText(bill, { ...bill, unexplained: 50, spent: 186 })).toContain('⚠');
});
