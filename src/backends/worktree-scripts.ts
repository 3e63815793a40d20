/**
 * What git does for work trees of sessions, as scripts for a jail: hooks, filters, merge drivers and settings of a repository
 * are programs of whoever wrote them. Only what is said by `say` is told, line by line, and none of it is trusted.
 *
 * In their environment: WS, the workspace; WT, the work tree; BR, its branch.
 */
const begin = `
exec 3>&1 >/dev/null
say() { printf '%s\n' "$*" >&3; }
under_way() {
  for f in rebase-merge rebase-apply CHERRY_PICK_HEAD REVERT_HEAD BISECT_LOG $2; do
    [ ! -e "$1/$f" ] || return 0
  done
  return 1
}
in_tree() { cd "$WT" 2>/dev/null && git rev-parse -q --verify 'HEAD^{commit}'; }
`;

/** Says `made`, or `unborn`, or nothing and its reasons on standard error. What an earlier try left is put right. */
export const makeScript = `${begin}
cd "$WS" || exit 1
git rev-parse -q --verify 'HEAD^{commit}' || { say unborn; exit 0; }
a="$WS/.git/worktrees/\${WT##*/}"
g=$(cat "$a/gitdir" 2>/dev/null)
case "$g" in ''|"$WT/.git") rm -rf "$a" ;; esac
if git show-ref -q --verify "refs/heads/$BR"
then git worktree add --lock "$WT" "$BR"
else git worktree add --lock --no-track -b "$BR" "$WT" HEAD
fi || exit 1
say made
`;

/**
 * Commits what is in the work tree (the message is its standard input), and makes the commit that the workspace is to have.
 * Nothing of the workspace itself changes. OWN: names whose changes are not brought back.
 *
 * Says `gone`; `detached`; `busy tree|workspace`; `unmerged tree|workspace` with `file …`s; `nothing`, `conflict` with
 * `file …`s, `too_old`, or `target <head> <commit>`; beside it `on <branch>`, `left <path>`, `kept <name>`,
 * `stat <files> <added> <removed>`.
 */
export const prepareMergeScript = `${begin}
subject=$(cat)
in_tree || { say gone; exit 0; }
G=$(git rev-parse --absolute-git-dir) || exit 1
if [ -e "$G/index.lock" ]; then sleep 1; rm -f "$G/index.lock"; fi
if under_way "$G"; then say busy tree; exit 0; fi
open=$(git diff --name-only --diff-filter=U -z | xargs -0 -r grep -lE '^(<<<<<<<|>>>>>>>)( |$)' -- 2>/dev/null)
if [ -n "$open" ]; then say unmerged tree; printf '%s\n' "$open" | sed 's/^/file /' >&3; exit 0; fi
git add -A --ignore-errors || :
git diff --cached --raw --no-renames HEAD | awk -F'\t' '/^:[0-9]+ 160000 [^\t]* A\t/ { print $2 }' |
  while IFS= read -r p; do git rm -q --cached -f -- "$p"; done
if [ -e "$G/MERGE_HEAD" ] || ! git diff --cached --quiet HEAD
then printf '%s' "$subject" | git commit -q --no-verify --allow-empty -F - || exit 1
fi
git status --porcelain --ignore-submodules=dirty | cut -c4- | sed 's/^/left /' >&3
B=$(git rev-parse HEAD) || exit 1
cd "$WS" && H=$(git rev-parse -q --verify 'HEAD^{commit}') || exit 1
on=$(git symbolic-ref -q --short HEAD) || { say detached; exit 0; }
say on "$on"
if under_way "$(git rev-parse --absolute-git-dir)" MERGE_HEAD; then say busy workspace; exit 0; fi
if [ -n "$(git ls-files -u)" ]; then
  say unmerged workspace; git diff --name-only --diff-filter=U | sed 's/^/file /' >&3; exit 0
fi
if git merge-base --is-ancestor "$B" "$H"; then say nothing; exit 0; fi
base=$(git merge-base "$H" "$B") || { echo 'the two have no commit in common' >&2; exit 1; }
kept=
for name in $OWN; do
  git diff --quiet "$base" "$B" -- "$name" && continue
  (cd "$WT" && { git rm -rq --cached --ignore-unmatch -- "$name"; git checkout -q "$base" -- "$name" 2>/dev/null; true; })
  say kept "$name"; kept=1
done
if [ -n "$kept" ]; then
  (cd "$WT" && { git diff --cached --quiet HEAD || git commit -q --no-verify -m 'Settings of the agent as they were'; }) || exit 1
  B=$(git -C "$WT" rev-parse HEAD) || exit 1
  if git diff --quiet "$base" "$B"; then say nothing; exit 0; fi
fi
if git merge-base --is-ancestor "$H" "$B"; then T=$B; else
  O=$(git merge-tree --write-tree --name-only --no-messages "$H" "$B"); rc=$?
  case $rc in
    0) T=$(printf 'Merge branch %s\n\n%s\n' "$BR" "$subject" | git commit-tree "$O" -p "$H" -p "$B") || exit 1 ;;
    1) say conflict; printf '%s\n' "$O" | sed -e 1d -e 's/^/file /' >&3; exit 0 ;;
    129) say too_old; exit 0 ;;
    *) exit 1 ;;
  esac
fi
git diff --numstat "$H" "$T" | awk '{ n++; a += $1; r += $2 } END { print "stat", n + 0, a + 0, r + 0 }' >&3
say target "$H" "$T"
`;

/**
 * Brings the workspace from commit H to T, and the work tree with it. Changes that are not committed stay as they are; where
 * they are in the way nothing is done. With AGAIN, an earlier try was cut off: files that it had written, or begun to
 * write, are put back first.
 *
 * Says `done`, `moved`, or `blocked` with `file …`s.
 */
export const applyMergeScript = `${begin}
cd "$WS" && h=$(git rev-parse HEAD) || exit 1
if git merge-base --is-ancestor "$T" "$h"; then say 'done'; exit 0; fi
[ "$h" = "$H" ] || { say moved; exit 0; }
if [ -n "$AGAIN" ]; then
  for lock in .git/index.lock .git/HEAD.lock ".git/$(git symbolic-ref -q HEAD).lock"; do
    if [ -e "$lock" ]; then sleep 1; rm -f "$lock"; fi
  done
  export H T
  git diff --name-only --no-renames -z "$H" "$T" | xargs -0 -r -n 1 sh -c '
    ours() {
      if [ ! -e "$1" ] && [ ! -L "$1" ]; then return 0; fi
      [ -f "$1" ] && [ ! -L "$1" ] || return 1
      [ "$(git hash-object --path="$1" -- "$1")" != "$(git rev-parse -q --verify "$T:$1")" ] || return 0
      git cat-file blob "$T:$1" 2>/dev/null | head -c "$(wc -c <"$1")" | cmp -s - "$1"
    }
    ours "$1" || exit 0
    if git cat-file -e "$H:$1" 2>/dev/null; then git checkout -q "$H" -- "$1"; else rm -f -- "$1"; fi
  ' sh
fi
if said=$(git merge --ff-only --no-autostash -q "$T" 2>&1); then
  say 'done'
  git -C "$WT" merge --ff-only --no-autostash -q "$T" 2>/dev/null
  exit 0
fi
files=$(printf '%s\n' "$said" | sed -n 's/^\t/file /p')
[ -n "$files" ] || { printf '%s\n' "$said" >&2; exit 1; }
say blocked
printf '%s\n' "$files" >&3
`;

/** Says `merged` when all that is in the work tree is in the workspace's branch, too. */
export const isMergedScript = `${begin}
in_tree || exit 0
[ -z "$(git status --porcelain --ignore-submodules=none)" ] || exit 0
G=$(git rev-parse --absolute-git-dir) || exit 1
if under_way "$G" MERGE_HEAD; then exit 0; fi
B=$(git rev-parse HEAD) && cd "$WS" && git merge-base --is-ancestor "$B" HEAD || exit 0
[ -e ".git/refs/heads/$BR" ] || git show-ref -q --verify "refs/heads/$BR" || { say merged; exit 0; }
git merge-base --is-ancestor "refs/heads/$BR" HEAD && say merged
`;

/** Forgets a work tree whose folder is gone, and its branch where that is merged. */
export const forgetScript = `${begin}
cd "$WS" || exit 1
a="$WS/.git/worktrees/\${WT##*/}"
g=$(cat "$a/gitdir" 2>/dev/null)
case "$g" in ''|"$WT/.git") rm -rf "$a" ;; esac
git branch -q -d "$BR" 2>/dev/null
say 'done'
`;
