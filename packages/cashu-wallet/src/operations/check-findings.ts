import { addSat, sat } from '@nostr-dm-agent/kit/sat';
import type { BookProblem, CheckFindings, CheckReport, Mended, NotLooked } from '../check-types.ts';

/** What a check has come to know so far. */
export type Findings = CheckFindings & {
  checkedProofs: number;
  checkedTopUps: number;
  /** @param books what contradicts itself, looked at when everything else was done */
  readonly report: (books: readonly BookProblem[]) => CheckReport;
};

export function createFindings(): Findings {
  const problems: BookProblem[] = [];
  const mended: Mended[] = [];
  const notLooked: NotLooked[] = [];
  return {
    checkedProofs: 0,
    checkedTopUps: 0,
    add: (each) => void mended.push(each),
    addProblem: (each) => void problems.push(each),
    skip: (part) => void notLooked.push(part),
    report(books) {
      const all = [...books, ...problems];
      const lost = mended.filter((each) => each.kind === 'put-aside');
      const away = notLooked.flatMap((part) =>
        part.what === 'mint' && part.why !== 'not-accepted' ? [part.mint] : [],
      );
      return {
        consistent: all.length === 0,
        problems: all,
        spentElsewhere: addSat(sat(0), ...lost.map(({ amount }) => amount)),
        checkedProofs: this.checkedProofs,
        checkedTopUps: this.checkedTopUps,
        mended,
        notLooked,
        unreachable: [...new Set(away)],
      };
    },
  };
}
