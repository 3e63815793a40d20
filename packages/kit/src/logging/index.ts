export type { Logger } from '../log.ts';
export { createLogger, type LogDestination, openLogFile } from './create-logger.ts';
export { createRedactor, type Redactor } from './redact.ts';
export { isSecretName } from './secret-names.ts';
