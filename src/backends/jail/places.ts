/** Where things are inside the jail. Nothing of it exists on the host, so no path of a workspace can collide with it. */
export const inside = {
  home: '/home/agent',
  temporary: '/tmp',
  /** Everything of the bot's: programs, sockets, the session store, texts that are handed over. */
  own: '/run/jail',
  bin: '/run/jail/bin',
  /** The owner's session store: the only thing beside the workspace that lasts. */
  store: '/run/jail/store',
  texts: '/run/jail/texts',
  /** Sockets of the bot, which programs inside connect to. */
  sockets: '/run/jail/in',
  /** Where a server inside puts the socket that the bot connects to. */
  out: '/run/out',
} as const;

/** The same user for everybody inside, whoever runs the bot. */
export const agentUser = { uid: 1000, name: 'agent' } as const;

/** Whether `path` is `folder` or lies in it; both absolute and without `..`. */
export const liesIn = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);

/** Number of the parts of a path: what is outer is mounted before what is inner. */
export const depth = (path: string): number => path.split('/').filter((part) => part !== '').length;
