import pino from 'pino';
import type { Logger } from './logger.ts';
import type { Redactor } from './redact.ts';

type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';
type LogFormat = 'pretty' | 'json';

/** Takes finished lines, each with its line break. */
export type LogDestination = { readonly write: (line: string) => void };

type CreateLoggerOptions = {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly redactor: Redactor;
  /** Default: standard error. */
  readonly destination?: LogDestination;
  /** Gets each line first, as JSON whatever the format. */
  readonly kept?: LogDestination | undefined;
  /** For `pretty`. Default: whether standard error is a terminal that wants colour. */
  readonly color?: boolean;
};

/**
 * The program's logger: pino behind `Logger`, every line through the redactor. Writes synchronously, so that the last
 * words before an exit are not lost. pino-pretty is loaded only for `pretty`.
 */
export async function createLogger(options: CreateLoggerOptions): Promise<Logger> {
  const destination = options.destination ?? pino.destination({ dest: 2, sync: true });
  const shown =
    options.format === 'pretty'
      ? await prettyInto(destination, options.color ?? wantsColor(process.stderr.isTTY === true))
      : destination;
  const { kept } = options;
  const sink: LogDestination =
    kept === undefined
      ? shown
      : {
          write: (line) => {
            kept.write(line);
            shown.write(line);
          },
        };
  const lines = pino(
    {
      level: options.level,
      // No pid and host name on each line: one process, and the host is nobody's business.
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Errors are already plain objects when pino sees them.
      serializers: {},
    },
    sink,
  );
  return loggerOf(lines, options.redactor, {});
}

/** The facts of a child stay raw until a line is written: a secret that is registered later is blanked out in them too. */
function loggerOf(lines: pino.Logger, redactor: Redactor, bound: Record<string, unknown>): Logger {
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error'): Logger['info'] =>
    (facts, message) => {
      if (!lines.isLevelEnabled(level)) return;
      lines[level](redactor.value({ ...bound, ...facts }), redactor.text(message));
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (facts) => loggerOf(lines, redactor, { ...bound, ...facts }),
  };
}

async function prettyInto(destination: LogDestination, color: boolean): Promise<LogDestination> {
  const { prettyFactory } = await import('pino-pretty');
  const prettify = prettyFactory({ colorize: color, translateTime: 'SYS:HH:MM:ss', singleLine: true });
  return {
    write: (line) => {
      const pretty: unknown = prettify(line);
      destination.write(typeof pretty === 'string' ? pretty : line);
    },
  };
}

const wantsColor = (terminal: boolean): boolean => terminal && process.env.NO_COLOR === undefined;
