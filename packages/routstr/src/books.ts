// Paid runs as they stand in a wallet's database, for who looks at them without the bot.
export { createPaidRunStore } from './paid-run/paid-run-store.ts';
export { paidRunTables } from './paid-run/paid-run-tables.ts';
export { runsLeftIn } from './paid-run/runs-left.ts';
