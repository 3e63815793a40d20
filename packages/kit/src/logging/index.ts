export { createLogger, type LogDestination, openLogFile } from './create-logger.ts';
export type { Logger } from './logger.ts';
export { createRedactor, type Redactor, redacted, withoutSecretShapes } from './redact.ts';
export { isSecretName } from './secret-names.ts';
