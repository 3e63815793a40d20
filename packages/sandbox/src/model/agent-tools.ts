export type ToolCall = { readonly name: string; readonly input: Readonly<Record<string, unknown>> };

/** How agents that are not opencode call the tool that runs a command. Everything else they do by it here. */
const shells: Readonly<Record<string, (command: string) => Readonly<Record<string, unknown>>>> = {
  Bash: (command) => ({ command, description: 'Run the command' }),
  run_shell_command: (command) => ({ command, description: 'Run the command', is_background: false }),
  exec_command: (cmd) => ({ cmd }),
  shell: (command) => ({ command: ['/bin/sh', '-c', command] }),
  shell_command: (command) => ({ command }),
};

/** The tools that the small model knows, as far as these stand for them. */
export function knownTools(names: readonly string[]): ReadonlySet<string> {
  const hasShell = names.some((name) => name in shells) && !names.includes('bash');
  return new Set([...names, ...(hasShell ? ['bash', 'write', 'read'] : [])]);
}

const quoted = (text: unknown): string => `'${String(text).replaceAll("'", `'\\''`)}'`;

type Tool = { readonly name: string; readonly parameters?: { readonly properties: object } | undefined };

/** A call as the agent's own tools take it. */
export function asAgentCalls(call: ToolCall, tools: readonly Tool[]): ToolCall {
  const own = tools.find(({ name }) => name === call.name);
  const taken = own?.parameters?.properties;
  const shell = Object.keys(shells).find((name) => tools.some((tool) => tool.name === name));
  if (own !== undefined && taken !== undefined)
    return {
      name: call.name,
      input: Object.fromEntries(Object.entries(call.input).filter(([name]) => name in taken)),
    };
  if (own !== undefined || shell === undefined) return call;
  const { command, filePath, content } = call.input;
  const line =
    call.name === 'write'
      ? `printf %s ${quoted(content)} > ${quoted(filePath)}`
      : call.name === 'read'
        ? `cat ${quoted(filePath)}`
        : String(command);
  return { name: shell, input: shells[shell]?.(line) ?? {} };
}
