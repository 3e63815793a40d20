/* The git checkout that a bot is installed as. */
import { realpathSync } from 'node:fs';
import { type Ran, run } from './run-program.ts';

/** Why an installation can't be brought to another version this way. Nothing was changed. */
export class CheckoutError extends Error {
  override readonly name = 'CheckoutError';
  readonly problem:
    | { readonly kind: 'no_checkout'; readonly folder: string }
    | { readonly kind: 'dirty'; readonly files: readonly string[] }
    | { readonly kind: 'no_upstream' }
    | { readonly kind: 'unknown_ref'; readonly ref: string }
    /** It does not contain what is installed. */
    | { readonly kind: 'not_ahead'; readonly ref: string }
    | { readonly kind: 'git'; readonly what: string; readonly said: string };
  constructor(problem: CheckoutError['problem']) {
    super(`the checkout can't be used: ${problem.kind}`);
    this.problem = problem;
  }
}

export type Target = {
  /** As people call it. */
  readonly name: string;
  readonly commit: string;
  /** Subjects of what is new, the newest first. */
  readonly news: readonly string[];
};

export type Checkout = {
  readonly folder: string;
  readonly head: () => Promise<string>;
  /** @throws CheckoutError */
  readonly requireClean: () => Promise<void>;
  /** Asks where it came from; the newest of its branch, else the newest version tag; or what `ref` names. @throws CheckoutError */
  readonly findTarget: (ref: string | undefined) => Promise<Target>;
  /** Puts the files of a commit there, on the branch that it is on. @throws CheckoutError */
  readonly moveTo: (commit: string) => Promise<void>;
};

const fetchMs = 5 * 60_000;
const gitMs = 2 * 60_000;

/** @throws CheckoutError when there is none */
export async function openCheckout(folder: string, signal: AbortSignal): Promise<Checkout> {
  const git = (args: readonly string[], timeoutMs = gitMs): Promise<Ran> =>
    run(['git', '-c', 'core.hooksPath=/dev/null', '-C', folder, ...args], folder, timeoutMs, signal);
  const must = async (what: string, args: readonly string[], timeoutMs?: number): Promise<string> => {
    const { code, stdout, stderr } = await git(args, timeoutMs);
    if (code === 0) return stdout.trim();
    throw new CheckoutError({ kind: 'git', what, said: stderr.trim().slice(-500) });
  };
  const commitOf = async (ref: string): Promise<string | undefined> => {
    const { code, stdout } = await git([
      'rev-parse',
      '--verify',
      '--quiet',
      '--end-of-options',
      `${ref}^{commit}`,
    ]);
    return code === 0 ? stdout.trim() : undefined;
  };
  const top = await git(['rev-parse', '--show-toplevel']);
  if (top.code !== 0 || top.stdout.trim() !== realpathSync(folder))
    throw new CheckoutError({ kind: 'no_checkout', folder });
  const head = (): Promise<string> => must('rev-parse', ['rev-parse', 'HEAD']);
  const isOnBranch = async (): Promise<boolean> =>
    (await git(['symbolic-ref', '--quiet', 'HEAD'])).code === 0;

  const newest = async (): Promise<{ name: string; commit: string }> => {
    if (await isOnBranch()) {
      const { code, stdout } = await git([
        'rev-parse',
        '--abbrev-ref',
        '--symbolic-full-name',
        '@{upstream}',
      ]);
      const name = stdout.trim();
      const commit = code === 0 ? await commitOf(name) : undefined;
      if (commit !== undefined) return { name, commit };
      throw new CheckoutError({ kind: 'no_upstream' });
    }
    const tags = await must('tag', ['tag', '--list', 'v[0-9]*', '--sort=-version:refname']);
    const [name] = tags.split('\n').filter((tag) => /^v\d+(\.\d+)*$/.test(tag));
    const commit = name === undefined ? undefined : await commitOf(`refs/tags/${name}`);
    if (name === undefined || commit === undefined) throw new CheckoutError({ kind: 'no_upstream' });
    return { name, commit };
  };
  const named = async (ref: string): Promise<{ name: string; commit: string }> => {
    const commit = (await commitOf(`refs/remotes/origin/${ref}`)) ?? (await commitOf(ref));
    if (commit === undefined) throw new CheckoutError({ kind: 'unknown_ref', ref });
    return { name: ref, commit };
  };
  return {
    ...{ folder, head },
    requireClean: async () => {
      const said = await must('status', ['status', '--porcelain', '--untracked-files=no']);
      const files = said.split('\n').filter((line) => line !== '');
      if (files.length > 0)
        throw new CheckoutError({ kind: 'dirty', files: files.map((line) => line.trim()) });
    },
    findTarget: async (ref) => {
      await must('fetch', ['fetch', '--tags', '--quiet', 'origin'], fetchMs);
      const { name, commit } = ref === undefined ? await newest() : await named(ref);
      const now = await head();
      if ((await git(['merge-base', '--is-ancestor', now, commit])).code !== 0)
        throw new CheckoutError({ kind: 'not_ahead', ref: name });
      const log = await must('log', ['log', '--format=%s', '--max-count=50', `${now}..${commit}`]);
      return { name, commit, news: log.split('\n').filter((line) => line !== '') };
    },
    moveTo: async (commit) => {
      // Neither touches what somebody has changed there: it fails instead.
      if (await isOnBranch()) await must('reset', ['reset', '--keep', '--quiet', commit]);
      else await must('checkout', ['checkout', '--detach', '--quiet', commit]);
    },
  };
}
