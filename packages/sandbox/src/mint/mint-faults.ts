/**
 * What goes wrong with one request, for tests.
 * `before`: the mint never does what was asked; `after`: it has done it, and only the answer suffers.
 */
export type Fault = {
  /** A path, e.g. `/v1/swap`; with a slash at the end, every path below it. */
  readonly path: string;
  readonly when: 'before' | 'after';
  readonly effect: /** Answers with this status instead, once `until` is true. */
    | {
        readonly kind: 'status';
        readonly status: number;
        readonly retryAfterSeconds?: number;
        readonly until?: () => boolean;
      }
    /** Never answers; the client has to give up. */
    | { readonly kind: 'hold' }
    /** Begins an answer and breaks the connection off. */
    | { readonly kind: 'cut' }
    /** Holds the request until `release`, and goes on with it then: a request that was long on its way. */
    | { readonly kind: 'delay' }
    /** Goes on once this is true. */
    | { readonly kind: 'wait'; readonly until: () => boolean }
    /** Answers something else, made from the true answer; `after` only. */
    | { readonly kind: 'edit'; readonly edit: (body: string) => string }
    /** Does something at this moment (rotate, clear the cache, …) and goes on. */
    | { readonly kind: 'run'; readonly run: () => void };
  /** How many requests suffer; then it is over. Default 1. */
  readonly times?: number;
};

export type Faults = {
  readonly add: (fault: Fault) => void;
  readonly clear: () => void;
  /** Applies the next fault for this moment. Undefined: go on as if nothing were. */
  readonly apply: (path: string, when: Fault['when'], answer?: string) => Promise<Response | undefined>;
  /** How many requests are held now. */
  readonly holding: () => number;
  /** Lets every held request go with a 503. */
  readonly release: () => void;
};

export function createFaults(): Faults {
  let planned: { fault: Fault; left: number }[] = [];
  let held: (() => void)[] = [];
  return {
    add: (fault) => {
      planned.push({ fault, left: fault.times ?? 1 });
    },
    clear: () => {
      planned = [];
    },
    async apply(path, when, answer = '{}') {
      const entry = planned.find(({ fault }) => fault.when === when && matches(fault.path, path));
      if (!entry) return undefined;
      entry.left -= 1;
      if (entry.left <= 0) planned = planned.filter((other) => other !== entry);
      const { effect } = entry.fault;
      switch (effect.kind) {
        case 'run':
          effect.run();
          return undefined;
        case 'status':
          while (effect.until?.() === false) await Bun.sleep(2);
          return Response.json(
            { detail: 'injected fault' },
            {
              status: effect.status,
              ...(effect.retryAfterSeconds === undefined
                ? {}
                : { headers: { 'retry-after': String(effect.retryAfterSeconds) } }),
            },
          );
        case 'delay':
          await new Promise<void>((resolve) => held.push(resolve));
          return undefined;
        case 'wait':
          while (!effect.until()) await Bun.sleep(2);
          return undefined;
        case 'edit':
          return new Response(effect.edit(answer), { headers: { 'content-type': 'application/json' } });
        case 'cut':
          return new Response(
            new ReadableStream({
              start(controller) {
                controller.enqueue(new TextEncoder().encode('{"sig'));
                controller.error(new Error('injected fault'));
              },
            }),
          );
        case 'hold':
          await new Promise<void>((resolve) => held.push(resolve));
          return new Response(null, { status: 503 });
      }
    },
    holding: () => held.length,
    release: () => {
      for (const go of held) go();
      held = [];
    },
  };
}

const matches = (pattern: string, path: string): boolean =>
  pattern.endsWith('/') ? path.startsWith(pattern) : path === pattern;
