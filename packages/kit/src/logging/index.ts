export { createLogger, type LogDestination } from './create-logger.ts';
export { keepLog } from './kept-log.ts';
export type { Logger } from './logger.ts';
export {
  type LogFilter,
  type LogLevel,
  type LogLine,
  type LogTail,
  logLevels,
  logMark,
  readLogTail,
} from './read-log.ts';
export { createRedactor, type Redactor, redacted, withoutSecretShapes } from './redact.ts';
export { isSecretName } from './secret-names.ts';
