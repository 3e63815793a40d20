/** A value as TOML has it on one line. */
const inline = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? '');
  return `{ ${entries(value).join(', ')} }`;
};

const entries = (of: object): readonly string[] =>
  Object.entries(of).flatMap(([name, value]) =>
    value === undefined ? [] : [`${JSON.stringify(name)} = ${inline(value)}`],
  );

/** A file of settings as TOML. */
export const toToml = (settings: object): string => `${entries(settings).join('\n')}\n`;
