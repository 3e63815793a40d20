/** What a request asks for, whichever of the node's paths and versions it came by. */
export type Endpoint =
  | 'create'
  | 'info'
  | 'topup'
  | 'refund'
  | 'history'
  | 'invoice'
  | 'invoice-status'
  | 'chat'
  | 'models'
  | 'node-info'
  | 'other';

/** Around the handling of a request: before anything was done, or when only the answer is left to suffer. */
export type EdgeEffect =
  | { readonly kind: 'delay'; readonly ms: number }
  /** Goes on when `release` is called: with `after`, an answer that comes too late. */
  | { readonly kind: 'hold' }
  /** Breaks the connection off without an answer. */
  | { readonly kind: 'drop' }
  /** Answers as a reverse proxy does, in HTML. Default 502. */
  | { readonly kind: 'html'; readonly status?: number }
  | { readonly kind: 'status'; readonly status: number; readonly body?: unknown }
  /** The answer breaks off in the middle of its text, as if it were whole. */
  | { readonly kind: 'truncate' }
  /** The process is killed, the connection with it, and started again unless told otherwise. */
  | { readonly kind: 'crash'; readonly memory: 'kept' | 'lost'; readonly stayDown?: true }
  /** Something on the way sends the request twice; the second answer is the one that arrives. */
  | { readonly kind: 'repeat' }
  | { readonly kind: 'run'; readonly run: () => void | Promise<void> };

/** In the middle of the handling, where money has left one place and has not reached the other. */
export type MiddleEffect =
  | Extract<EdgeEffect, { kind: 'delay' | 'hold' | 'crash' | 'run' }>
  /** Refund only: the balance changed meanwhile; the mint is away; making the token fails; nobody knows. */
  | { readonly kind: 'refuse'; readonly why: 'race' | 'mint-away' | 'failed' | 'withheld' };

export type NodeFault = {
  readonly endpoint: Endpoint;
  /** How many requests suffer; then it is over. Default 1. */
  readonly times?: number;
} & (
  | { readonly when: 'before' | 'after'; readonly effect: EdgeEffect }
  /**
   * `create`, `info`, `topup`, `invoice-status`: redeemed at the mint, not credited. `refund`: taken from the balance, no token made.
   * `chat`: reserved, upstream not asked.
   */
  | { readonly when: 'between'; readonly effect: MiddleEffect }
);

/** The node's script of faults, one list for all its endpoints. */
export type NodeFaults = {
  readonly add: (fault: NodeFault) => void;
  readonly clear: () => void;
  /** How many requests are held now. */
  readonly holding: () => number;
  /** Lets every held request go on. */
  readonly release: () => void;
  /** The next effect for this moment, counted as used. */
  readonly edge: (endpoint: Endpoint, when: 'before' | 'after') => EdgeEffect | undefined;
  readonly middle: (endpoint: Endpoint) => MiddleEffect | undefined;
  /** Waits until `release`, or until the process it is in dies. */
  readonly hold: (life: AbortSignal) => Promise<void>;
};

export function createNodeFaults(): NodeFaults {
  let planned: { readonly fault: NodeFault; left: number }[] = [];
  const held = new Set<() => void>();

  function take(endpoint: Endpoint, when: NodeFault['when']): NodeFault | undefined {
    const entry = planned.find(({ fault }) => fault.endpoint === endpoint && fault.when === when);
    if (!entry) return undefined;
    entry.left -= 1;
    if (entry.left <= 0) planned = planned.filter((other) => other !== entry);
    return entry.fault;
  }

  return {
    add: (fault) => {
      planned.push({ fault, left: fault.times ?? 1 });
    },
    clear: () => {
      planned = [];
    },
    holding: () => held.size,
    release: () => {
      for (const go of held) go();
    },
    edge(endpoint, when) {
      const fault = take(endpoint, when);
      return fault && fault.when !== 'between' ? fault.effect : undefined;
    },
    middle(endpoint) {
      const fault = take(endpoint, 'between');
      return fault?.when === 'between' ? fault.effect : undefined;
    },
    hold: (life) =>
      new Promise<void>((resolve) => {
        const go = () => {
          held.delete(go);
          life.removeEventListener('abort', go);
          resolve();
        };
        held.add(go);
        life.addEventListener('abort', go);
        if (life.aborted) go();
      }),
  };
}
