import { isObject, type Json } from '../opencode-config.ts';

/** What agents are and may do. Providers, tool servers, plugins and whatever else could hold a key or lead somewhere stay here. */
const told = ['$schema', 'agent', 'permission', 'tools', 'compaction', 'model', 'small_model'] as const;
/** Of a provider, what describes it. */
const ofProvider = ['npm', 'name', 'models'] as const;

const only = (config: Json, names: readonly string[]): Json =>
  Object.fromEntries(Object.entries(config).filter(([name]) => names.includes(name)));

/** Names that hold something to keep, wherever they are. */
const secretName = /key|token|secret|password|authorization|header|cookie/i;

/** What may be done is told as it is: without one of its patterns it would permit more. */
const rules = ['permission', 'tools'];

const withoutSecrets = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) =>
      rules.includes(name)
        ? [[name, inner]]
        : secretName.test(name) && typeof inner !== 'boolean' && typeof inner !== 'number'
          ? []
          : [[name, withoutSecrets(inner)]],
    ),
  );
};

/**
 * What an agent host is told of the bot's opencode configuration: no key, and no variable or file of this machine, which would
 * be looked for there.
 */
export const publicConfiguration = (config: Json): Json => {
  const providers = isObject(config.provider) ? config.provider : {};
  const { routstr } = providers;
  const described = withoutSecrets(isObject(routstr) ? only(routstr, ofProvider) : {});
  const text = JSON.stringify(withoutSecrets(only(config, told)));
  const made: unknown = JSON.parse(text.replace(/\{(?:env|file):[^}]*\}/g, ''));
  // The key of each server's own door, as its run has it there.
  const options = { apiKey: '{env:ROUTSTR_API_KEY}', includeUsage: true };
  const provider = isObject(described) ? { routstr: { ...described, options } } : {};
  return isObject(made) ? { ...made, provider } : { provider };
};
