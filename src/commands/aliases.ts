/** What people type for a command, in place of its own words. */
export const aliases: ReadonlyMap<string, string> = new Map([
  ['balance', 'wallet balance'],
  ['bal', 'wallet balance'],
  ['wallet show', 'wallet balance'],
  ['wallet status', 'wallet balance'],
  ['wallet info', 'wallet balance'],
  ['topup', 'wallet topup'],
  ['top-up', 'wallet topup'],
  ['top up', 'wallet topup'],
  ['wallet top-up', 'wallet topup'],
  ['wallet top up', 'wallet topup'],
  ['autotopup', 'wallet autotopup'],
  ['auto-topup', 'wallet autotopup'],
  ['auto topup', 'wallet autotopup'],
  ['wallet auto-topup', 'wallet autotopup'],
  ['wallet auto topup', 'wallet autotopup'],
  ['fund', 'wallet topup'],
  ['refill', 'wallet topup'],
  ['receive', 'wallet receive'],
  ['redeem', 'wallet receive'],
  ['wallet redeem', 'wallet receive'],
  ['send', 'wallet send'],
  ['withdraw', 'wallet withdraw'],
  ['pay', 'wallet withdraw'],
  ['wallet pay', 'wallet withdraw'],
  ['pending', 'wallet pending'],
  ['mints', 'wallet mints'],
  ['confirm', 'wallet confirm'],
  ['budget', 'provider budget'],
  ['deposit', 'provider deposit'],
  ['refund', 'provider refund'],
  ['node', 'provider node'],
  ['nodes', 'provider nodes'],
  ['connect', 'provider connect'],
  ['providers', 'provider list'],
  ['queue clear', 'queue drop all'],
  ['clear', 'new'],
  ['reset', 'new'],
  ['cancel', 'stop'],
  ['abort', 'stop'],
  ['commands', 'help'],
  ['worktree', 'new --worktree'],
]);

const option = '[-–—−‐‑]{1,3}[ ]?(?:work[-‐‑ ]?trees?|wt)';
const atOnce = new RegExp(`^new\\s*(?:${option}|work[-‐‑ ]?trees?)(?=\\s|$)`, 'iu');
const later = new RegExp(`^new(\\s.*?)\\s${option}(?=\\s|$)`, 'iu');

/** `!new —worktree app`, as a phone corrects it, `!new app --worktree`, `!new worktree`: an option that is a command of its own. */
export const withOptionFirst = (body: string): string =>
  body.replace(atOnce, 'new --worktree').replace(later, 'new --worktree$1');
