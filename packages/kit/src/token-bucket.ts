/** A rate limit that lets `burst` through at once and `perSecond` in the long run. */
export type TokenBucket = {
  readonly spend: () => void;
  /** Milliseconds until a token is there; 0: there is one. */
  readonly waitMs: () => number;
};

/** @param monotonic milliseconds of a clock that never jumps back */
export function createTokenBucket(perSecond: number, burst: number, monotonic: () => number): TokenBucket {
  let tokens = burst;
  let filledAt = monotonic();
  const fill = () => {
    const now = monotonic();
    tokens = Math.min(burst, tokens + ((now - filledAt) / 1000) * perSecond);
    filledAt = now;
  };
  return {
    spend: () => {
      fill();
      tokens -= 1;
    },
    waitMs: () => {
      fill();
      return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / perSecond) * 1000);
    },
  };
}
