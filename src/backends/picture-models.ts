import { z } from 'zod';
import { readBotConfig } from './opencode-config.ts';

const shape = z.object({
  model: z.string().optional().catch(undefined),
  provider: z
    .record(
      z.string(),
      z.object({
        models: z
          .record(
            z.string(),
            z.object({ modalities: z.object({ input: z.array(z.string()) }).optional() }).catch({}),
          )
          .catch({}),
      }),
    )
    .catch({}),
});

/**
 * Whether a model takes pictures, as the bot's own `opencode.json` says (`sync-models` writes there what a node says).
 *
 * @param model with its provider's name; undefined: the configuration's own
 * @returns undefined: it does, or nothing is known of it; else those of the same provider that do
 * @throws OpencodeConfigError
 */
export async function lacksPictures(
  botHome: string,
  model: string | undefined,
): Promise<{ readonly model: string; readonly others: readonly string[] } | undefined> {
  const { model: own, provider } = shape.parse((await readBotConfig(botHome)).bot);
  const asked = model ?? own;
  const slash = asked?.indexOf('/') ?? -1;
  if (asked === undefined || slash < 0) return undefined;
  const of = asked.slice(0, slash);
  const models = provider[of]?.models ?? {};
  const inputs = models[asked.slice(slash + 1)]?.modalities?.input;
  if (inputs === undefined || inputs.includes('image')) return undefined;
  const others = Object.entries(models).flatMap(([id, { modalities }]) =>
    modalities?.input.includes('image') === true ? [`${of}/${id}`] : [],
  );
  return { model: asked, others };
}
