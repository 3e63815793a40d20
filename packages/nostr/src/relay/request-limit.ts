/** How many subscriptions one relay serves at a time: as it says (NIP-11), or as it was found out. */
export type RequestLimit = {
  /** Undefined: nothing is known. */
  readonly most: () => number | undefined;
  /** A limit was run into while so many were served. It may have been one of the moment: it is forgotten after a while. */
  readonly ranInto: (served: number) => void;
  /** For another connection. */
  readonly forget: () => void;
};

/** What relays say when they are asked for more at a time than they serve. */
export const refusesMore = (message: string): boolean =>
  /(?:too many|max(?:imum)?|limit|exceed).{0,40}\b(?:subscriptions?|subs|REQs?)\b|\bsubscriptions?\b.{0,40}\b(?:limit|max(?:imum)?|exceed)/i.test(
    message,
  );

const LEARNT_MS = 10 * 60_000;

export function createRequestLimit(stated: () => number | undefined): RequestLimit {
  let learnt = { most: Number.POSITIVE_INFINITY, until: 0 };
  return {
    most: () => {
      const found = performance.now() < learnt.until ? learnt.most : Number.POSITIVE_INFINITY;
      const most = Math.min(stated() ?? Number.POSITIVE_INFINITY, found);
      return Number.isFinite(most) ? most : undefined;
    },
    ranInto: (served) => {
      learnt = { most: Math.max(1, served), until: performance.now() + LEARNT_MS };
    },
    forget: () => {
      learnt = { ...learnt, until: 0 };
    },
  };
}
