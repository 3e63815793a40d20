import { parseSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { type Command, InvalidArgumentError } from 'commander';
import type { WalletOptions, WalletOutput } from './terminal-output.ts';

type Commands = typeof import('./run-wallet-command.ts');
type Paying = { readonly mint?: string; readonly yes: boolean };

const help = `
Amounts are whole sat: 2000, 2k, 2000sat. With --json the answer is one JSON document on stdout.
withdraw and send all say first what they come to and cost, and ask. Without a terminal withdraw wants --yes; send
all says it on stderr and goes on, as it does with --json.
Exit codes: 0 done, 1 something failed, 2 wrong usage or configuration. check: 0 all proven, 1 the books do
not add up or money was spent elsewhere, 3 nothing is wrong, but not all of it could be looked at.`;

/** `wallet …`: what there is, told to commander. What a command does is loaded when it is called (`run-wallet-command.ts`). */
export function addWalletCommands(program: Command, finish: (code: number) => void): void {
  const wallet = program
    .command('wallet')
    .description('the ecash wallet: money in, out, and what there is; also while the bot runs')
    .addHelpText('after', help);
  const command: AddCommand = (usage, description) =>
    wallet
      .command(usage)
      .description(description)
      .option('--json', 'print one JSON document')
      .option('--env-file <path>', 'read this instead of .env');
  const does: Does = (work) =>
    async function (this: Command, ...given) {
      const commands = await import('./run-wallet-command.ts');
      const options = this.opts<WalletOptions>();
      finish(await commands.runWalletCommand(options, (output) => work(commands, output, ...given)));
    };
  addMoneyCommands(command, does);
  addUpkeepCommands(command, does);
}

type AddCommand = (usage: string, description: string) => Command;
/** What commander calls with a command's arguments and options. */
type Does = <Given extends unknown[]>(
  work: (commands: Commands, output: WalletOutput, ...given: Given) => Promise<number | undefined>,
) => (this: Command, ...given: Given) => Promise<void>;

function addMoneyCommands(command: AddCommand, does: Does): void {
  command('balance', 'what is ready, reserved, in unclaimed tokens and on its way in').action(
    does((commands, output) => commands.balance(output)),
  );
  command('receive [token]', 'redeem a token; without one, or with -, it is read from stdin').action(
    does((commands, output, token: string | undefined) => commands.receive(output, token)),
  );
  command('send', 'make a token that nets its receiver exactly this; prints the token alone')
    .argument('<sats|all>', 'what the receiver nets; all: as much as the mint has, less its fees', satsOrAll)
    .option('--mint <url>', 'from this mint')
    .option('-y, --yes', 'send all without asking', false)
    .action(
      does((commands, output, amount: Sat | 'all', { mint, yes }: Paying) =>
        commands.send(output, amount, mint, yes),
      ),
    );
  command('topup', 'a Lightning invoice that fills the wallet; waits until it is paid')
    .argument('<sats>', 'the amount of the invoice', sats)
    .option('--mint <url>', 'at this mint')
    .option('--no-wait', 'print the invoice and go; a payment is taken at the next command or by the bot')
    .action(
      does((commands, output, amount: Sat, { mint, wait }: { mint?: string; wait: boolean }) =>
        commands.topup(output, amount, mint, wait),
      ),
    );
  command('withdraw', 'pay over Lightning; says what it costs and asks')
    .argument('<invoice|name@host>', 'whom; a bitcoin: link with lightning= does it, too')
    .argument('[sats|all]', 'how much, where that is not named already; all: as much as there is', satsOrAll)
    .option('--mint <url>', 'from this mint')
    .option('-y, --yes', 'pay without asking', false)
    .action(
      does((commands, output, to: string, amount: Sat | 'all' | undefined, { mint, yes }: Paying) =>
        commands.withdraw(output, to, amount, mint, yes),
      ),
    );
  command('history', 'the last paid runs and operations')
    .argument('[n]', 'how many', count, 10)
    .action(does((commands, output, limit: number) => commands.history(output, limit)));
  command(
    'refund',
    'bring home what is on persistent keys (sk-); without a key, which there are and what their nodes say',
  )
    .argument('[key|all]', 'its id, or how the key begins')
    .action(does((commands, output, which: string | undefined) => commands.refund(output, which)));
  command('export', 'ledger, operations and keys as a table; with --json as one document. Holds no secret')
    .option('--csv', 'a table, as without --json')
    .action(does((commands, output) => commands.exportBooks(output)));
  command('pending', 'what is not finished: unclaimed tokens, unpaid invoices, payments under way').action(
    does((commands, output) => commands.pending(output)),
  );
  command('reclaim <operation>', 'take an unclaimed token back (its id is in pending)').action(
    does((commands, output, id: string) => commands.reclaim(output, id)),
  );
  command('decode [token]', 'what a token is; asks nobody and redeems nothing').action(
    does((commands, output, token: string | undefined) => commands.decode(output, token)),
  );
}

function addUpkeepCommands(command: AddCommand, does: Does): void {
  command('mints', 'the mints that are accepted; the first is the default')
    .option('--add <url>', 'accept this one too')
    .option('--remove <url>', 'stop accepting this one; what is there stays')
    .argument('[rename...]', 'rename <old> <new>: a mint has moved; its keysets are compared first')
    .action(
      does((commands, output, words: readonly string[], change: { add?: string; remove?: string }) =>
        words.length > 0
          ? commands.renameMint(output, words)
          : commands.mints(output, change.add, change.remove),
      ),
    );
  command(
    'check',
    'hold every proof and top-up against its mint, and the books against themselves; mends what it can',
  ).action(does((commands, output) => commands.check(output)));
  command('backup <file>', 'write a consistent copy of the database, 0600').action(
    does((commands, output, path: string) => commands.backup(output, path)),
  );
  command(
    'encrypt',
    'seal the words and what can be spent; also with another passphrase. Not while a bot runs',
  )
    .option('--keyring', 'by the system’s keyring instead of a passphrase', false)
    .option('--delete-copies', 'delete what older copies have in clear', false)
    .action(
      does(async (_, output, options: { keyring: boolean; deleteCopies: boolean }) =>
        (await import('./at-rest-commands.ts')).encrypt(output, options),
      ),
    );
  command('decrypt', 'put words and database back as they were before encrypt').action(
    does(async (_, output) => (await import('./at-rest-commands.ts')).decrypt(output)),
  );
  command('restore', 'find what the words of CASHU_MNEMONIC have at all accepted mints; not while a bot runs')
    .option('--from <file>', 'put this copy of the database in its place first; what is there is kept')
    .action(does((commands, output, { from }: { from?: string }) => commands.restore(output, from)));
}

function sats(text: string): Sat {
  const amount = parseSat(text);
  if (amount === undefined) {
    throw new InvalidArgumentError(`"${text.slice(0, 24)}" is not an amount in whole sat, like 2000 or 2k.`);
  }
  return amount;
}

const satsOrAll = (text: string): Sat | 'all' => (/^all$/i.test(text.trim()) ? 'all' : sats(text));

function count(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (value < 1)
    throw new InvalidArgumentError(`"${text.slice(0, 24)}" is not a number of entries, like 10.`);
  return value;
}
