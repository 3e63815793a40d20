import { join } from 'node:path';

/** Where the log is kept, beside what is written to standard error. */
export const logsIn = (home: string): string => join(home, 'logs');
