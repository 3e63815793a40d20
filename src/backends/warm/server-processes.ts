import { type ProcessEntry, readProcesses } from '../process-table.ts';

/** From the program that was started to the server: bubblewrap twice, what starts the server, the server. */
const chainLength = 4;

/**
 * The processes that are the server itself, first to last; what else is in its jail belongs to a run.
 * @param root the process that was started
 */
export const serverChain = async (root: number): Promise<readonly ProcessEntry[]> => {
  const all = await readProcesses('');
  const chain = all.filter(({ pid }) => pid === root);
  while (chain.length > 0 && chain.length < chainLength) {
    const child = all.find(({ parent }) => parent === chain.at(-1)?.pid);
    if (child === undefined) break;
    chain.push(child);
  }
  return chain;
};

/**
 * What is in the jail and descends from the server no more: commands that a run left behind, whatever they did with their
 * environment. What the server started and still has (tool servers, git) is its own.
 */
export const straysOf =
  (chain: readonly ProcessEntry[]) =>
  (all: readonly ProcessEntry[]): readonly ProcessEntry[] => {
    const own = new Set(chain.map(({ pid }) => pid));
    const [root] = chain;
    const server = chain.at(-1);
    if (root === undefined || server === undefined || chain.length < chainLength) return [];
    const below = new Set([root.pid]);
    for (let before = 0; before !== below.size; ) {
      before = below.size;
      // Not past the server: what descends from it is its own.
      for (const { pid, parent } of all) if (below.has(parent) && parent !== server.pid) below.add(pid);
    }
    return all.filter(({ pid }) => below.has(pid) && !own.has(pid));
  };
