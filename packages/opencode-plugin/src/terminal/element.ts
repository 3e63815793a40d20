import { createElement, effect, insert, setProp } from '@opentui/solid';

export type Drawn = ReturnType<typeof createElement>;

/** A property, or how to find it: then it follows the signals in it. */
type Properties = Readonly<Record<string, unknown>>;

/** One element of opencode's screen. Without JSX: a package may be loaded from `node_modules`, where opencode compiles none. */
export function element(tag: 'box' | 'text', properties: Properties, ...children: readonly unknown[]): Drawn {
  const node = createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') effect(() => setProp(node, name, value()));
    else setProp(node, name, value);
  }
  for (const child of children) insert(node, child);
  return node;
}
