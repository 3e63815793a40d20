/** How long something took; `labels` are few, and name no owner, task or key. */
export type Timing = {
  readonly name:
    | 'mint_request'
    | 'node_request'
    | 'reply_delivery'
    | 'task_agent'
    | 'task_model'
    | 'answer_reply';
  readonly ms: number;
  readonly labels?: Readonly<Record<string, string>>;
};

type Listener = (timing: Timing) => void;
const listeners = new Set<Listener>();

/**
 * Hears of every timing of this process until the returned function is called. What is deep in a package tells it without
 * being handed somebody to tell.
 */
export function onTiming(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Costs nothing while nobody listens. */
export function tellTiming(timing: Timing): void {
  for (const listener of listeners) listener(timing);
}

/**
 * Does `work`, a request to `url`, and tells how long it took and whether an answer came.
 * @param answered by default whatever does not throw
 */
export async function timeRequest<T>(
  name: 'mint_request' | 'node_request',
  url: string,
  work: () => Promise<T>,
  answered: (result: T) => boolean = () => true,
): Promise<T> {
  if (listeners.size === 0) return work();
  const from = performance.now();
  let ok = false;
  try {
    const result = await work();
    ok = answered(result);
    return result;
  } finally {
    const host = URL.parse(url)?.host ?? '';
    tellTiming({ name, ms: performance.now() - from, labels: { host, result: ok ? 'answer' : 'none' } });
  }
}
