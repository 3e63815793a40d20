import type { ApprovalRule } from '../approval.ts';
import type { Mode } from '../backend.ts';
import { isObject, type Json } from '../opencode-config.ts';

type Action = 'allow' | 'ask' | 'deny';
/** A rule of opencode's; the last one that fits counts. */
export type PermissionRule = {
  readonly permission: string;
  readonly pattern: string;
  readonly action: Action;
};

/** What approvals are about; `edit` is opencode's name for everything that writes a file. */
const asked = ['bash', 'edit'] as const;
export type Asking = (typeof asked)[number];

const isAction = (value: unknown): value is Action =>
  value === 'allow' || value === 'ask' || value === 'deny';

const patternsOf = (value: unknown): readonly (readonly [string, Action])[] => {
  if (isAction(value)) return [['*', value]];
  return isObject(value)
    ? Object.entries(value).filter((entry): entry is [string, Action] => isAction(entry[1]))
    : [];
};

/** What a configuration says of a tool, in its own words; allowed where it says nothing. */
const rulesOf = (permission: unknown, name: Asking): readonly PermissionRule[] => {
  const all = isObject(permission) ? permission : {};
  const found = [...patternsOf(isAction(permission) ? permission : all['*']), ...patternsOf(all[name])];
  // What was said of the tool before is not to shine through.
  const patterns = found[0]?.[0] === '*' ? found : [['*', 'allow'] as const, ...found];
  return patterns.map(([pattern, action]) => ({ permission: name, pattern, action }));
};

const askInstead = (permission: unknown, names: readonly Asking[] = asked): Json => {
  const all = isAction(permission) ? { '*': permission } : isObject(permission) ? permission : {};
  return {
    ...all,
    ...Object.fromEntries(
      names.map((name) => [
        name,
        Object.fromEntries(
          rulesOf(permission, name).map(({ pattern, action }) => [
            pattern,
            action === 'allow' ? 'ask' : action,
          ]),
        ),
      ]),
    ),
  };
};

/**
 * The configuration of a server whose agents ask before each command and each edit, sub-agents too. What need not be asked
 * is allowed run by run, to its own session: `sessionRules`.
 */
export const askFirst = (
  configuration: Json,
  modes: readonly Mode[],
  names: readonly Asking[] = asked,
): Json => {
  if (!modes.includes('agent')) return configuration;
  const agents = isObject(configuration.agent) ? configuration.agent : {};
  return {
    ...configuration,
    permission: askInstead(configuration.permission, names),
    agent: Object.fromEntries(
      Object.entries(agents).map(([name, agent]) => {
        // An agent that has no rules of its own takes those for all.
        if (!isObject(agent) || agent.permission === undefined) return [name, agent];
        return [name, { ...agent, permission: askInstead(agent.permission, names) }];
      }),
    ),
  };
};

/** Whether a rule wants this asked. */
export const wantsAsking = (rule: ApprovalRule, permission: string): boolean =>
  rule === 'all' ? true : rule === 'commands' && permission !== 'edit';

/** For a process in which nobody can be asked: opencode refuses what would have to be, and its agent goes on. */
export const refuseAsks = (configuration: Json, mode: Mode, rule: ApprovalRule): Json => {
  const names = asked.filter((name) => wantsAsking(rule, name));
  const experimental = isObject(configuration.experimental) ? configuration.experimental : {};
  return {
    ...askFirst(configuration, [mode], names),
    experimental: { ...experimental, continue_loop_on_deny: true },
  };
};

/** What the configuration itself has asked, for sub-agents. */
export const isAskedAnyway = (configuration: Json, permission: string): boolean =>
  permission !== 'bash' && permission !== 'edit'
    ? true
    : rulesOf(configuration.permission, permission).some(({ action }) => action === 'ask');

/**
 * The rules of one run's session. opencode only ever adds to those that a session has, and the last one that fits counts: each
 * tool that any run has a rule for gets all of its rules anew, whatever the mode, so that nothing of an earlier run's stays in
 * force.
 * @param questions whether somebody answers what the agent asks
 */
export const sessionRules = (
  configuration: Json,
  mode: Mode,
  rule: ApprovalRule,
  questions: boolean,
): readonly PermissionRule[] => {
  const agents = isObject(configuration.agent) ? configuration.agent : {};
  const agent = isObject(agents[mode]) ? agents[mode] : {};
  const question: PermissionRule = {
    permission: 'question',
    pattern: '*',
    action: questions ? 'allow' : 'deny',
  };
  const isAsked = (name: Asking): boolean => mode === 'agent' && wantsAsking(rule, name);
  return [
    ...asked.flatMap((name) =>
      rulesOf(agent.permission ?? configuration.permission, name).map((one) =>
        one.action === 'allow' && isAsked(name) ? { ...one, action: 'ask' as const } : one,
      ),
    ),
    question,
  ];
};

/** Those that have to be added for these to be in force: of each tool all, or none where they are the last ones already. */
export const rulesToAdd = (
  there: readonly PermissionRule[],
  wanted: readonly PermissionRule[],
): readonly PermissionRule[] =>
  [...new Set(wanted.map(({ permission }) => permission))].flatMap((name) => {
    const of = (rules: readonly PermissionRule[]) => rules.filter(({ permission }) => permission === name);
    const rules = of(wanted);
    const last = of(there).slice(-rules.length);
    return JSON.stringify(last.map(ruleText)) === JSON.stringify(rules.map(ruleText)) ? [] : rules;
  });
const ruleText = ({ permission, pattern, action }: PermissionRule) => [permission, pattern, action];
