import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Door } from '@nostr-dm-agent/routstr';
import { isObject } from '../opencode-config.ts';
import { modelOf } from './model-of.ts';
import type { WarmServer } from './server.ts';

/** One that is in the list for sure: a default may be of another payer. */
const firstModel = ({ prepared }: WarmServer): string | undefined => {
  const { provider: providers } = prepared.configuration;
  for (const [id, provider] of Object.entries(isObject(providers) ? providers : {}))
    if (isObject(provider) && isObject(provider.models))
      for (const name of Object.keys(provider.models)) return `${id}/${name}`;
  return undefined;
};

const warmMs = 30_000;

/**
 * Has a server load everything that its first task would wait for. Only a model's answer makes it all load: where the
 * calls go through a door, the door gives it, for nothing; else what can be asked for is asked for.
 */
/** @param model which is asked; undefined: the first that there is */
export const warmUp = async (
  server: WarmServer,
  model: string | undefined,
  door: Door | undefined,
  log: Logger,
  outer: AbortSignal,
): Promise<void> => {
  const { client, plan } = server;
  const signal = AbortSignal.any([outer, AbortSignal.timeout(warmMs)]);
  try {
    if (door === undefined) {
      await Promise.all([
        client.config.providers({}, { signal }),
        client.app.agents({}, { signal }),
        client.tool.ids({}, { signal }),
      ]);
      return;
    }
    const { data } = await client.session.create({ title: 'warm' }, { signal, throwOnError: true });
    const done = door.answerItself(data.id);
    try {
      await client.session.prompt(
        {
          sessionID: data.id,
          agent: plan.modes[0],
          ...modelOf(model ?? firstModel(server)),
          parts: [{ type: 'text', text: 'hello' }],
        },
        { signal, throwOnError: true },
      );
    } finally {
      done();
      await client.session.delete({ sessionID: data.id }, { signal });
    }
  } catch (cause) {
    if (server.isAlive() && !outer.aborted) log.warn({ cause }, 'a server could not be warmed');
  }
};
