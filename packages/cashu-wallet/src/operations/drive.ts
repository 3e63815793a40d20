import { isDefiniteRefusal } from '../mints/mint-errors.ts';
import { NotSentError } from '../mints/mint-transport.ts';

type Outcome = { readonly kind: string };

/** One request that moves value, the same bytes each time, and how it is found out what became of it. */
export type Attempt<Answer, Found extends Outcome, Refused extends Outcome> = {
  /** Nothing was ever submitted. */
  readonly fresh: boolean;
  /** An earlier request, if there was one, is so old that it cannot be carried out any more. */
  readonly settled: boolean;
  readonly submit: () => Promise<Answer>;
  /** By the mint's records. `pending`: not known yet. `decided`: no request of ours can be half done any more. */
  readonly look: (decided: boolean) => Promise<Found | 'untouched' | 'pending'>;
  /** The mint said no, and its records have nothing of it: what now? */
  readonly refused: (error: unknown, decided: boolean) => Promise<Refused>;
};

type Driven<Answer> =
  | { readonly kind: 'answered'; readonly answer: Answer }
  /** The one request that was ever made did not leave this machine. */
  | { readonly kind: 'never-sent'; readonly error: unknown }
  /** Not known yet: the mint is away or at it, or a request may still be on its way. */
  | { readonly kind: 'unknown'; readonly error: unknown };

/**
 * Brings a request on, or finds out what became of it: submit, and when the answer is not plain success: the mint's
 * records, the identical request once more, and its records again. An error of the mint never decides where money is; it
 * only says whether asking the same again can help.
 */
export async function drive<Answer, Found extends Outcome, Refused extends Outcome>({
  fresh,
  settled,
  submit,
  look,
  refused,
}: Attempt<Answer, Found, Refused>): Promise<Driven<Answer> | Found | Refused> {
  let error: unknown;
  let requests = fresh ? 0 : 1;
  const attempt = async () => {
    requests += 1;
    try {
      return { kind: 'answered', answer: await submit() } as const;
    } catch (cause) {
      error = cause;
      return undefined;
    }
  };
  try {
    if (fresh) {
      const answered = await attempt();
      if (answered) return answered;
      if (error instanceof NotSentError) return { kind: 'never-sent', error };
    }
    for (let round = 0; round < 2; round += 1) {
      // No earlier request of ours can be half done: the only one was refused, or time has passed.
      const decided = settled || (fresh && requests === 1 && isDefiniteRefusal(error));
      const found = await look(decided);
      if (found === 'pending') break;
      if (found !== 'untouched') return found;
      if (isDefiniteRefusal(error)) return await refused(error, decided);
      if (round === 1) break;
      const answered = await attempt();
      if (answered) return answered;
    }
    return { kind: 'unknown', error };
  } catch (cause) {
    return { kind: 'unknown', error: error ?? cause };
  }
}
