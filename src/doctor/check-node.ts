import { mintsToday } from '@nostr-dm-agent/cashu-wallet/open';
import { usableModels } from '@nostr-dm-agent/routstr';
import { createAbilitySource, createNodeClient } from '@nostr-dm-agent/routstr/open';
import type { Config } from '../config/config.ts';
import { formatDuration, plural } from '../replies/format.ts';
import type { Finding } from './finding.ts';

const timeouts = { create: 0, info: 10_000, topUp: 0, refund: 0, models: 10_000 };

/** The Routstr node of `ROUTSTR_BASE_URL`: is it there, does it take our money, does it have models for an agent? */
export async function checkNode(
  { wallet, node }: Pick<Config, 'wallet' | 'node'>,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  // Nobody could pay it.
  if (wallet === undefined) return [];
  const subject = `node ${new URL(node).host}`;
  const client = createNodeClient(node, timeouts);
  const startedAt = performance.now();
  const [info, models] = await Promise.all([client.nodeInfo(signal), client.models(signal)]);
  const took = formatDuration(performance.now() - startedAt);
  if (info.state === 'unavailable') {
    return [
      {
        subject,
        state: 'broken',
        fact: `it does not answer like a Routstr node: ${info.evidence.message}`,
        remedy: 'see if ROUTSTR_BASE_URL is right and the node is up; until then !provider set local works',
      },
    ];
  }
  const { name = 'no name', version = 'unknown version', mints } = info.value;
  const findings: Finding[] = [{ subject, state: 'ok', fact: `${name} ${version}, answers in ${took}` }];
  const named = [wallet.mintUrl, ...wallet.mints];
  const ours = [...named, ...named.map(mintsToday(wallet))];
  if (mints.length > 0 && !mints.some((mint) => ours.some((url) => sameAddress(url, mint)))) {
    findings.push({
      subject,
      state: 'warning',
      fact: 'it names none of our mints among those whose tokens it takes',
      remedy: `it takes ${mints.slice(0, 3).join(', ')}: set CASHU_MINT_URL to one of them, or choose another node`,
    });
  }
  const usable =
    models.state === 'ok' ? usableModels(models.value.models, createAbilitySource()).usable.length : 0;
  if (usable === 0) {
    findings.push({
      subject,
      state: 'warning',
      fact:
        models.state === 'ok'
          ? 'it sells no model that an agent can work with'
          : `it shows no models: ${models.evidence.message}`,
      remedy: 'choose another node, or try again later',
    });
  } else {
    findings.push({ subject, state: 'ok', fact: `sells ${plural(usable, 'model')} that an agent can use` });
  }
  return findings;
}

const sameAddress = (one: string, other: string): boolean => {
  const plain = (text: string) => text.replace(/\/+$/, '').toLowerCase();
  return plain(one) === plain(other);
};
