/** Sessions of one server that are remembered as somebody's sub-agents; the oldest are forgotten. */
const mostSessions = 4096;
/** opencode's are at most one deep. */
const deepest = 16;
const longestName = 200;

/**
 * Which session is whose sub-agent, as the calls say it. The first word counts: a session that has served one run can't
 * be declared another's later.
 */
export type SessionTree = {
  readonly learn: (child: string, parent: string) => void;
  /** The session itself, its parent, and so on. */
  readonly upwards: (session: string) => Iterable<string>;
};

export function createSessionTree(): SessionTree {
  const parents = new Map<string, string>();
  return {
    learn: (child, parent) => {
      if (child === parent || parents.has(child)) return;
      if (child.length > longestName || parent.length > longestName) return;
      parents.set(child, parent);
      const [oldest] = parents.keys();
      if (parents.size > mostSessions && oldest !== undefined) parents.delete(oldest);
    },
    *upwards(session) {
      let at: string | undefined = session;
      for (let depth = 0; at !== undefined && depth <= deepest; depth += 1) {
        yield at;
        at = parents.get(at);
      }
    },
  };
}
