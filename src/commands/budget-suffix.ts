import { formatSat, parseSat, type Sat } from '@nostr-dm-agent/kit/sat';

/** A task, and the budget that stood at its end. */
export type Budgeted =
  | { readonly state: 'plain' | 'budgeted'; readonly task: string; readonly budget: Sat | undefined }
  /** Something like a budget stands there, and is none. */
  | { readonly state: 'malformed'; readonly found: string };

const leastBudget = 10;

/** At the very end, after white space (or alone). A phone may write the wide mark. */
const suffix = /(?:^|\s)[!！]{2}(\S+)\s*$/u;

/**
 * Reads `fix the tests !!2k`: the budget of this one run, in sat. Marks with nothing to read after them (`great !!`,
 * `what !!?`) belong to the task.
 */
export function splitBudget(text: string): Budgeted {
  const match = suffix.exec(text);
  const amount = match?.[1];
  if (match === null || amount === undefined || !/[\p{L}\p{N}]/u.test(amount)) {
    return { state: 'plain', task: text, budget: undefined };
  }
  const budget = parseSat(amount);
  // `Great job !!1`: nothing runs for that.
  if (budget === undefined || budget < leastBudget) return { state: 'malformed', found: `!!${amount}` };
  return { state: 'budgeted', task: text.slice(0, match.index).trimEnd(), budget };
}

/** `!!500 fix the tests`: no command, and the budget is in the wrong place. */
export const beginsWithBudget = (text: string): boolean => /^\s*[!！]{2}\s*\d/u.test(text);

/** What the owner reads of a budget that is none. */
export const notABudget = (found: string): string =>
  `“${found.length > 24 ? `${found.slice(0, 16)}…` : found}” is not a budget, so nothing was run. It is an amount of at least ${leastBudget} sat, like !!500 or !!2k; if it belongs to the task, write something after it.`;

/** A budget and no task, or the budget first. */
export const taskMissing =
  'The task is missing, so nothing was run. Write it before its budget: fix the failing test !!500';

export const overMemberBudget = (budget: Sat, most: Sat): string =>
  `${formatSat(budget)} is more than a member may give one run: at most ${formatSat(most)}, so nothing was run. An admin can raise that for all runs with !provider budget.`;
