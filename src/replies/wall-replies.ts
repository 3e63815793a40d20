import type { Wall, WallProblem } from '../backends/jail/types.ts';
import type { WallRefusal } from '../runs/wall-rule.ts';
import { lines } from './format.ts';

const install: Readonly<Record<string, string>> = {
  'apt-get': 'sudo apt-get install bubblewrap',
  dnf: 'sudo dnf install bubblewrap',
  yum: 'sudo yum install bubblewrap',
  pacman: 'sudo pacman -S bubblewrap',
  zypper: 'sudo zypper install bubblewrap',
  apk: 'sudo apk add bubblewrap',
};

/** Lets bubblewrap make user namespaces on Ubuntu. */
const profile =
  "printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile bwrap /usr/bin/bwrap flags=(unconfined) {\\n  userns,\\n}\\n' | sudo tee /etc/apparmor.d/bwrap && sudo systemctl reload apparmor";

/** Why a wall can't be built, continuing its name; and what mends it. */
const explain = ({
  wall,
  problem,
  detail,
}: WallProblem): { readonly why: string; readonly mend: string | undefined } => {
  const said = detail === undefined ? '' : `: ${detail}`;
  switch (problem) {
    case 'not_linux':
      return { why: 'exists on Linux only', mend: 'run the bot in a Linux machine or container' };
    case 'not_installed':
      return { why: 'is not installed', mend: install[detail ?? ''] ?? 'install the package bubblewrap' };
    case 'too_old':
      return { why: `is too old${said}`, mend: 'install bubblewrap 0.8 or later' };
    case 'namespaces_off':
      return {
        why: 'finds user namespaces switched off',
        mend: `sudo sysctl -w ${detail === undefined ? 'user.max_user_namespaces=15000' : detail}`,
      };
    case 'apparmor':
      return { why: 'is kept from user namespaces by AppArmor', mend: profile };
    case 'container':
      return {
        why: `is forbidden by this container${said}`,
        // Podman's own filter lets namespaces be made: what is covered of /proc is all that is in the way there.
        mend: `start the container with ${/mount proc|proc on/.test(said) ? '' : '--security-opt seccomp=unconfined '}--security-opt systempaths=unconfined`,
      };
    case 'kernel':
      return { why: 'needs Linux 6.12 or later, switched on', mend: undefined };
    case 'cpu':
      return { why: `is not made for this processor${said}`, mend: undefined };
    case 'other':
      return {
        why: `does not work here${said}`,
        mend: wall === 'bwrap' ? 'bun run doctor says more' : undefined,
      };
  }
};

const names = { bwrap: 'bubblewrap', landlock: 'Landlock' } as const;

const whyNot = (problems: readonly WallProblem[]): string =>
  problems.map((problem) => `${names[problem.wall]} ${explain(problem).why}`).join('; ');

/** The one command that mends it: bubblewrap's before Landlock's. */
export const mendWall = (problems: readonly WallProblem[]): string | undefined =>
  problems.map((problem) => explain(problem).mend).find((mend) => mend !== undefined);

/** What protects the bot's host and keys from its agents, in one line. */
export function wallLine(wall: Wall): string {
  switch (wall.kind) {
    case 'bwrap':
      return 'bubblewrap: agents see their workspace and nothing else of this machine';
    case 'landlock':
      return `Landlock: agents reach no other file and no other process, but see that there are some; bubblewrap is better (${whyNot(wall.problems)})`;
    case 'none':
      return wall.chosen
        ? 'NONE (BOT_ISOLATION=none): agents can read and do whatever the user of the bot can, its keys included'
        : `NONE: ${whyNot(wall.problems)}. Agents could read and do whatever the user of the bot can`;
    case 'refused':
      return `NONE, so no agent is started: ${whyNot(wall.problems)}`;
  }
}

/** What wall there is, with the command that makes it a better one. */
export function wallNotice(wall: Wall): string {
  const mend = wall.kind === 'landlock' ? mendWall(wall.problems) : undefined;
  return lines(`Wall: ${wallLine(wall)}.`, mend !== undefined && `On the host: ${mend}`);
}

/** For the first message of a bot and for each start without a wall. Undefined when there is nothing to warn of. */
export function wallWarning(wall: Wall, hasWallet: boolean): string | undefined {
  if (wall.kind === 'bwrap' || wall.kind === 'landlock') return undefined;
  const mend = wall.kind === 'none' && wall.chosen ? undefined : mendWall(wall.problems);
  return lines(
    `⚠ Wall: ${wallLine(wall)}.`,
    wall.kind === 'none' &&
      !wall.chosen &&
      `Mode agent is refused to ${hasWallet ? 'everybody, because there is a wallet' : 'members'}. BOT_ISOLATION=none would permit it.`,
    mend !== undefined && `On the host: ${mend}`,
  );
}

/** For whoever starts it. */
export const rootWarning =
  '⚠ You are root: give the bot a user of its own (sudo useradd --create-home bot), and start it as that one.';

/** In the sandbox, whose money is for testing, nothing is refused. Undefined where there is a wall. */
export function sandboxWallLine(wall: Wall): string | undefined {
  if (wall.kind === 'bwrap' || wall.kind === 'landlock') return undefined;
  const mend = mendWall(wall.problems);
  return `none around the agent (${whyNot(wall.problems)}${mend === undefined ? '' : `: ${mend}`}); it goes on all the same`;
}

/** Why a task was not begun. */
export function noWallText({ to, wall }: WallRefusal): string {
  const because = {
    everybody: 'no agent is started',
    members: 'mode agent is refused to members',
    wallet: 'mode agent is refused while the bot has a wallet',
  }[to];
  const mend = mendWall(wall.problems);
  return lines(
    `Not run: nothing on this host would keep the agent from the bot’s keys (${whyNot(wall.problems)}), so ${because}.`,
    mend !== undefined && `Whoever runs the bot can fix that: ${mend}`,
    to !== 'everybody' && '!ask and !plan work, which only read.',
  );
}
