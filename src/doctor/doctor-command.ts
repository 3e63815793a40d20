import { join } from 'node:path';
import { createLogger, createRedactor } from '@nostr-dm-agent/kit/log';
import { type ConfiguredOptions, configured } from '../config/configured.ts';
import { registerSecrets } from '../config/register-secrets.ts';
import { runDoctor } from './doctor.ts';

const timeoutMs = 60_000;

/** `doctor`: returns the exit code: 0 all is well, 1 something is broken, 2 the configuration can't be used. */
export async function doctor(options: ConfiguredOptions): Promise<number> {
  const result = await configured(options);
  if (result === undefined) return 2;
  const { config, notices } = result;
  const redactor = createRedactor();
  registerSecrets(redactor, config, process.env);
  const print = (line: string) => void process.stdout.write(`${redactor.text(line)}\n`);
  for (const notice of notices) print(`! configuration: ${notice}`);
  return await runDoctor(config, {
    envFile: options.envFile ?? join(process.cwd(), '.env'),
    log: await createLogger({ level: 'silent', format: 'json', redactor }),
    print,
    signal: AbortSignal.timeout(timeoutMs),
  });
}
