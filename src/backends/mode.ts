/** `ask` and `plan` only read, `agent` edits files and runs commands. */
export const modes = ['ask', 'plan', 'agent'] as const;
export type Mode = (typeof modes)[number];
