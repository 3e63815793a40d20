import type { Redactor } from '@nostr-dm-agent/kit/log';
import { isSecretName } from '@nostr-dm-agent/kit/log';
import type { Config } from './config.ts';
import { readCredentials } from './credentials.ts';

/** The exact secrets that have no shape of their own. */
export function registerSecrets(
  redactor: Redactor,
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  redactor.add(Buffer.from(config.identity.secretKey).toString('hex'));
  for (const secret of Object.values(readCredentials(environment.CREDENTIALS_DIRECTORY).values))
    redactor.add(secret);
  if (config.proxy?.login !== undefined) redactor.add(config.proxy.login.password);
  if (config.wallet !== undefined) redactor.add(config.wallet.mnemonic);
  for (const [name, value] of Object.entries({ ...config.ambient, ...environment })) {
    if (value !== undefined && isSecretName(name)) redactor.add(value);
  }
}
