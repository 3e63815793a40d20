import { readdirSync, readFileSync } from 'node:fs';

type Member = {
  readonly pid: number;
  readonly parent: number;
  readonly since: string;
  readonly name: string;
};

/** Living processes; a zombie is none. */
function members(): readonly Member[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      // The name stands in brackets, and may hold some itself.
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z') return [];
      return [{ pid: Number(entry), parent: Number(parent), since: rest[17] ?? '', name }];
    } catch {
      return []; // ended meanwhile
    }
  });
}

const idOf = ({ pid, since }: Member): string => `${pid} ${since}`;

/** All that a process has started, and what that has started, whenever it was looked at; by number and time of birth. */
export function watchFamily(root: number) {
  const seen = new Set<string>();
  const look = (): readonly Member[] => {
    const all = members();
    const family = new Set([root]);
    for (let before = 0; before !== family.size; ) {
      before = family.size;
      for (const { pid, parent } of all) if (family.has(parent)) family.add(pid);
    }
    const found = all.filter(({ pid }) => pid !== root && family.has(pid));
    for (const one of found) seen.add(idOf(one));
    return found;
  };
  return {
    look,
    /** The agent servers among them: the last of a chain of its own, called as the program is. */
    servers: (): readonly number[] =>
      look()
        .filter(({ name }) => name.startsWith('opencode'))
        .map(({ pid }) => pid),
    /** Of those that were seen. */
    alive: (): readonly string[] =>
      members()
        .filter((one) => seen.has(idOf(one)))
        .map(({ pid, name }) => `${pid} ${name}`),
  };
}
