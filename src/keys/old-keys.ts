import { join } from 'node:path';
import { z } from 'zod';
import { userFolders } from '../backends/agent-environment.ts';
import { readPlainFile } from '../backends/jail/pins.ts';
import type { Catalogue, KeyProvider } from './catalogue.ts';

/** A key that whoever runs the bot has used before there were connections. The key itself is not in it. */
export type OldKey = {
  readonly provider: KeyProvider;
  /** The variable that it is in (`.env` or the process), or opencode's own `auth.json`. */
  readonly from: string;
};

/** Keys that the agent's own login (`local`) has on this host. They stay where they are, whatever becomes of them here. */
export type OldKeys = {
  readonly found: () => readonly OldKey[];
  /** Secret. undefined: it is not there any more. */
  readonly keyOf: (old: OldKey) => string | undefined;
};

const largestLogin = 1024 * 1024;
const logins = z.record(
  z.string(),
  z.object({ type: z.string(), key: z.string().optional() }).catch({ type: 'other' }),
);

/** @param ambient what the bot was started with, and its `.env` */
export function createOldKeys(catalogue: Catalogue, ambient: Readonly<Record<string, string>>): OldKeys {
  // A variable that several providers read is offered as the one that is named after it.
  const byVariable = Map.groupBy(catalogue.keyProviders, ({ variable }) => variable);
  const inVariables = (): readonly OldKey[] =>
    [...byVariable].flatMap(([variable, providers]) => {
      if ((ambient[variable] ?? '').trim() === '') return [];
      const named = providers.find(
        ({ id }) => variable === `${id.toUpperCase().replace(/\W/g, '_')}_API_KEY`,
      );
      const provider = named ?? providers[0];
      return provider === undefined ? [] : [{ provider, from: variable }];
    });
  const inLogins = (): ReadonlyMap<string, string> => {
    const path = join(userFolders(ambient).data, 'opencode', 'auth.json');
    const found = logins.safeParse(parsed(readPlainFile(path, largestLogin) ?? ''));
    const entries = Object.entries(found.data ?? {});
    return new Map(
      entries.flatMap(([id, { type, key }]) => (type === 'api' && key ? [[id, key] as const] : [])),
    );
  };
  const fromLogins = 'auth.json';
  return {
    found: () => {
      const variables = inVariables();
      const known = new Set(variables.map(({ provider }) => provider.id));
      const others = [...inLogins().keys()].flatMap((id) => {
        const provider = catalogue.keyProviders.find((each) => each.id === id);
        return provider === undefined || known.has(id) ? [] : [{ provider, from: fromLogins }];
      });
      return [...variables, ...others];
    },
    keyOf: ({ provider, from }) =>
      (from === fromLogins ? inLogins().get(provider.id) : ambient[from])?.trim() || undefined,
  };
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    // No login, or one that opencode itself can't read.
    return {};
  }
};
