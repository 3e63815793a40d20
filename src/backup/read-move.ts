/** What was at `from`, or below it, is at `to`. Absolute, without a slash at the end. */
export type Move = { readonly from: string; readonly to: string };

/** Reads `/old=/new`; undefined: it is none. */
export function readMove(text: string): Move | undefined {
  const [, from, to] = /^(\/.*?)\/*=(\/.*?)\/*$/.exec(text) ?? [];
  return from === undefined || to === undefined ? undefined : { from, to };
}
