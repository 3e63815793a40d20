import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { jailEnvironment } from './environment.ts';
import { guardGit } from './git-guards.ts';
import type { Built, CellContext } from './launch.ts';
import { gitSettings } from './system.ts';
import type { LaunchRequest } from './types.ts';
import { refuseWorkspaceCode } from './workspace-code.ts';

/** Where the parts of a cell are that lies on disk. */
export const plainPlaces = (folder: string) => ({
  home: join(folder, 'home'),
  temporary: join(folder, 'tmp'),
  bin: join(folder, 'bin'),
  texts: join(folder, 'texts'),
});

/** Home, texts and programs of a run, as files of its folder. */
export const furnish = async ({ folder, settings }: CellContext, request: LaunchRequest): Promise<void> => {
  const places = plainPlaces(folder);
  for (const place of Object.values(places)) await mkdir(place, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(request.texts))
    await writeFile(join(places.texts, name), text, { mode: 0o600 });
  await writeFile(join(places.texts, 'gitconfig'), gitSettings(request.identity));
  for (const [at, text] of Object.entries(request.homeTexts)) {
    await mkdir(dirname(join(places.home, at)), { recursive: true, mode: 0o700 });
    await writeFile(join(places.home, at), text, { mode: 0o600 });
  }
  for (const tool of settings.tools) await symlink(tool, join(places.bin, basename(tool)));
  for (const { from, at } of request.homeFiles) {
    await mkdir(dirname(join(places.home, at)), { recursive: true, mode: 0o700 });
    await symlink(from, join(places.home, at));
  }
};

/** @param narrow only what the jail shows can be run: the user's own folders of programs only stand in the way */
export const environmentOf = (
  { folder, settings, cell }: CellContext,
  { proxy, narrow }: { readonly proxy: string | undefined; readonly narrow: boolean },
) => {
  const { home, temporary, bin, texts } = plainPlaces(folder);
  return jailEnvironment({
    ...{ ambient: settings.ambient, workspace: cell.workspace, home, temporary, bin, proxy },
    paths: settings.paths,
    narrow,
    author: settings.author,
    sshCommand: undefined,
    gitSettings: join(texts, 'gitconfig'),
  });
};

export const settleGit = async ({ cell, also }: CellContext) => {
  if (!cell.writable) return async () => [];
  const folders = [cell.workspace, ...also];
  const guarded = await Promise.all(folders.map((root) => guardGit(root, { held: false, trees: folders })));
  return async () => (await Promise.all(guarded.map(({ settle }) => settle()))).flat();
};

/** A shell reads what is secret from its standard input, and becomes the program. */
const toldInSecret = ({ file, args, secrets = [] }: LaunchRequest) => {
  if (secrets.length === 0) return { file, args };
  const read = secrets.map((name) => `IFS= read -r ${name} || exit 125; export ${name}`).join('; ');
  return { file: '/bin/sh', args: ['-c', `${read}; exec "$@" </dev/null`, 'sh', file, ...args] };
};

export const launchPlain = async (context: CellContext, request: LaunchRequest): Promise<Built> => {
  if (request.hideCode) await refuseWorkspaceCode(context.cell.workspace);
  await furnish(context, request);
  return {
    launch: {
      ...toldInSecret(request),
      cwd: request.startIn === 'home' ? plainPlaces(context.folder).home : context.cell.workspace,
      environment: { ...environmentOf(context, { proxy: undefined, narrow: false }), ...request.environment },
      fds: [],
    },
    closeNetwork: async () => undefined,
    freeNames: () => undefined,
    settleGit: await settleGit(context),
  };
};
