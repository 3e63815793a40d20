type ReorderOptions<Item> = {
  /** How long an item waits at most, ms. */
  readonly holdMs: number;
  /** How many wait at most. */
  readonly capacity: number;
  readonly sentAt: (item: Item) => number;
  /** Called for each item in the order of `sentAt`; items of the same time keep the order of arrival. */
  readonly release: (item: Item) => void;
};

/** Holds items for a short time to put them in order: relays send stored events newest first, each its own. */
type Reorder<Item> = {
  readonly add: (item: Item) => void;
  readonly release: () => void;
  /** Drops what is held. */
  readonly clear: () => void;
};

export function createReorder<Item>(options: ReorderOptions<Item>): Reorder<Item> {
  let items: Item[] = [];
  let timer: Timer | undefined;
  const takeAll = (): Item[] => {
    clearTimeout(timer);
    timer = undefined;
    const taken = items;
    items = [];
    return taken;
  };
  const release = () => {
    if (items.length === 0) return;
    for (const item of takeAll().sort((a, b) => options.sentAt(a) - options.sentAt(b))) options.release(item);
  };
  return {
    add: (item) => {
      items.push(item);
      if (items.length >= options.capacity) release();
      else timer ??= setTimeout(release, options.holdMs);
    },
    release,
    clear: () => {
      takeAll();
    },
  };
}
