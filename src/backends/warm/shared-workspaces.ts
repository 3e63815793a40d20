/** Which runs are in which workspace at the same time: what one of them changed can't be told from the others'. */
export const createSharedWorkspaces = () => {
  const present = new Map<string, Set<{ shared: boolean }>>();
  return {
    enter: (workspace: string): { readonly isShared: () => boolean; readonly leave: () => void } => {
      const others = present.get(workspace) ?? new Set();
      present.set(workspace, others);
      const own = { shared: others.size > 0 };
      for (const other of others) other.shared = true;
      others.add(own);
      return {
        isShared: () => own.shared,
        leave: () => {
          others.delete(own);
          if (others.size === 0) present.delete(workspace);
        },
      };
    },
  };
};
