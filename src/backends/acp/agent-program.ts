import type { PresetName } from './presets.ts';

/** An agent that speaks the Agent Client Protocol on its standard input and output, as the operator names it. */
export type AgentProgram =
  | { readonly name: PresetName; readonly preset: PresetName }
  /** The program, as a path or as a name on PATH, and its arguments. */
  | { readonly name: string; readonly command: readonly string[]; readonly preset?: never };
