/** Of all requests together that are read or on their way: twelve of the largest at once took 2 GiB. */
const mostInFlight = 96 * 1024 * 1024;
/** The largest body of one request. */
export const largestRequest = 64 * 1024 * 1024;

/** Of one payer: requests that are read, or wait for the run to be paid, and the bytes of all that it has under way. */
export type Load = { waiting: number; bytes: number };

export const noLoad = (): Load => ({ waiting: 0, bytes: 0 });

/** Counts what is held in memory for requests, of each run and of all together. */
export function createLoads() {
  let inFlight = 0;
  return {
    /** @returns gives the bytes back when there is an answer, and passes that on; undefined: they are too many */
    take: (load: Load, bytes: number): ((answer: Response) => Response) | undefined => {
      // Of one run no more than one of the largest, so that others get through beside it.
      if (inFlight + bytes > mostInFlight || load.bytes + bytes > largestRequest) return undefined;
      inFlight += bytes;
      load.bytes += bytes;
      return (answer) => {
        inFlight -= bytes;
        load.bytes -= bytes;
        return answer;
      };
    },
  };
}
