/** What kind of failure the system, fetch or SQLite says it was (`ENOENT`, `ConnectionRefused`, `SQLITE_BUSY`). */
export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
