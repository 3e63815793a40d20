/*
 * What this plugin uses of the libraries that opencode's screen is made with. opencode 1.18.33 brings both (OpenTUI 0.4.5,
 * Solid 1.9) and gives them to its plugins; only their types would have to be installed.
 */
declare module '@opentui/solid' {
  type Node = { readonly __opentui: unique symbol };
  export function createElement(tag: 'box' | 'text'): Node;
  /** What a function returns is drawn again when a signal in it changes. */
  export function insert(parent: Node, child: unknown): void;
  export function setProp(node: Node, name: string, value: unknown): void;
  export function effect(run: () => void): void;
  export function useKeyboard(
    listener: (key: { readonly name: string; readonly ctrl: boolean }) => void,
  ): void;
  export function useTerminalDimensions(): () => { readonly width: number; readonly height: number };
}

declare module 'solid-js' {
  export function createSignal<T>(value: T): [get: () => T, set: (value: T) => void];
  export function createResource<S, T>(
    source: () => S,
    load: (source: S) => Promise<T>,
  ): [resource: { (): T | undefined; readonly loading: boolean }];
  export function onCleanup(end: () => void): void;
}
