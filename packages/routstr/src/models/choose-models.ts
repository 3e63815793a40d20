import { canonicalId } from './ability.ts';
import type { UsableModel } from './usable-models.ts';

/** Families that people ask for by name; a list that is cut keeps these first. */
const wanted =
  /^(?:claude|gpt-[5-9]|gemini|qwen-?3|kimi|glm|deepseek|minimax|grok|mistral|devstral|codestral)/;

/**
 * The models that go into `opencode.json`: a node offers hundreds, and opencode loads its configuration at every run.
 * Those in `include` (what the file lists already, what the owner chose) come first, then the wanted families, newest
 * first.
 */
export function chooseModels(
  usable: readonly UsableModel[],
  options: { readonly most: number; readonly include: readonly string[] },
): readonly UsableModel[] {
  if (usable.length <= options.most) return usable;
  const include = new Set(options.include);
  const rank = (model: UsableModel): number =>
    include.has(model.id) ? 0 : wanted.test(canonicalId(model.id)) ? 1 : 2;
  const chosen = [...usable].sort(
    (a, b) => rank(a) - rank(b) || (b.created ?? 0) - (a.created ?? 0) || a.id.localeCompare(b.id),
  );
  const most = Math.max(options.most, usable.filter((model) => include.has(model.id)).length);
  const ids = new Set(chosen.slice(0, most).map((model) => model.id));
  return usable.filter((model) => ids.has(model.id));
}
