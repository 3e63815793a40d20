/*
 * The bot as `start` runs it, but for one thing: it ends itself by SIGKILL when it reaches the moment that
 * TEST_KILL_AT names, or the file at TEST_KILL_FILE.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createLogger, createRedactor } from '@nostr-dm-agent/kit/log';
import { startApp } from '../../src/app/app.ts';
import { configured } from '../../src/config/configured.ts';
import { registerSecrets } from '../../src/config/register-secrets.ts';

const result = await configured({});
if (result === undefined) process.exit(2);
const { config } = result;
const redactor = createRedactor();
registerSecrets(redactor, config, process.env);
const log = await createLogger({ level: config.logLevel, format: config.logFormat, redactor });
const file = process.env.TEST_KILL_FILE ?? '';
const moments = (): readonly (string | undefined)[] => [
  process.env.TEST_KILL_AT,
  existsSync(file) ? readFileSync(file, 'utf8') : undefined,
];
const app = await startApp(config, {
  log,
  redact: redactor.text,
  onCheckpoint: (checkpoint) => {
    if (moments().includes(checkpoint)) process.kill(process.pid, 'SIGKILL');
  },
});
process.once('SIGTERM', async () => {
  await app.stop();
  process.exit(0);
});
