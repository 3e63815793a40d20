import type { Health, HealthOfPart } from '@nostr-dm-agent/page';
import type { BackendName } from '../backends/backend.ts';
import type { BotFacts } from '../commands/command-deps.ts';
import { mendWall, wallLine } from '../replies/wall-replies.ts';

/** How it goes with what the bot is made of. */
export function botHealth(bot: BotFacts, backend: BackendName): Health {
  return {
    parts: { relays: relays(bot), replies: replies(bot), backend: agent(bot, backend), wall: wall(bot) },
  };
}

/** Messages have to come through one of them. */
function relays(bot: BotFacts): HealthOfPart {
  const all = bot.relays();
  const away = all.filter(({ served }) => !served);
  if (away.length === 0) return { state: 'ok' };
  return {
    state: away.length === all.length ? 'down' : 'degraded',
    fact: away.map(({ url, reason }) => `${url}: ${reason ?? 'not served'}`).join('; '),
  };
}

function replies(bot: BotFacts): HealthOfPart {
  const { undeliverable } = bot.outbox();
  return undeliverable === 0
    ? { state: 'ok' }
    : { state: 'degraded', fact: `${undeliverable} could not be delivered` };
}

function agent(bot: BotFacts, backend: BackendName): HealthOfPart {
  const health = bot.health(backend);
  if (health?.state !== 'missing') return { state: 'ok' };
  return { state: 'down', fact: `${backend}: ${health.problem}` };
}

function wall(bot: BotFacts): HealthOfPart {
  const found = bot.wall();
  if (found === undefined || found.kind === 'bwrap' || found.kind === 'landlock') return { state: 'ok' };
  return { state: 'degraded', fact: [wallLine(found), mendWall(found.problems)].filter(Boolean).join('. ') };
}
