import { Command, CommanderError, InvalidArgumentError } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { type Move, readMove } from '../backup/read-move.ts';
import { addWalletCommands } from './wallet/wallet-command-line.ts';

// Every command loads its own module when it is called: `start` must not pay for what only `setup` needs.

const exitCodes = `
Exit codes: 0 done, 1 something failed, 2 wrong usage or configuration.`;

type Finish = (code: number) => void;

function commandLine(finish: Finish): Command {
  const program = new Command('nostr-dm-agent')
    .description(manifest.description)
    .version(manifest.version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', exitCodes)
    .exitOverride();

  program
    .command('start')
    .description('run the bot until it is told to stop (Ctrl-C, SIGTERM)')
    .option('--env-file <path>', 'read this instead of .env')
    .option('--take-over', 'be the one that acts, though another bot with the same key has taken over')
    .action(async (options: { envFile?: string; takeOver?: boolean }) => {
      const { start } = await import('./start.ts');
      finish(await start(options));
    });

  addSetup(program, finish);
  addSandbox(program, finish);
  program
    .command('reseal')
    .description(
      "after the bot was given another key: seal owners' API keys anew (the old key in BOT_KEY_OLD)",
    )
    .option('--env-file <path>', 'read this instead of .env')
    .action(async (options: { envFile?: string }) => {
      const { reseal } = await import('./reseal.ts');
      finish(await reseal(options, process.env));
    });

  program
    .command('doctor')
    .description('check everything that the bot depends on, and say how to fix what is wrong')
    .option('--env-file <path>', 'read this instead of .env')
    .action(async (options: { envFile?: string }) => {
      const { doctor } = await import('../doctor/doctor-command.ts');
      finish(await doctor(options));
    });

  addHomeCommands(program, finish);
  addWalletCommands(program, finish);

  return program;
}

/** What keeps an installation, and moves it. */
function addHomeCommands(program: Command, finish: Finish): void {
  const passphraseFile = [
    '--passphrase-file <path>',
    'the passphrase is what this file holds; else it is asked for, or the first line of stdin',
  ] as const;
  program
    .command('backup')
    .description('home, settings and wallet in one file that a passphrase opens; also while the bot runs')
    .option(
      '--to <file>',
      'a new file, or a folder for one; default: nostr-dm-agent-<date>.backup in this folder',
    )
    .option(...passphraseFile)
    .option('--env-file <path>', 'read this instead of .env')
    .action(async (options: import('./backup.ts').BackupOptions) => {
      const { backup } = await import('./backup.ts');
      finish(await backup(options));
    });
  program
    .command('restore')
    .description('put a backup in place, here or on another machine; the bot that it is of is fenced off')
    .requiredOption('--from <file>', 'what backup has made')
    .option('--home <path>', 'BOT_HOME here; default: as it was, below this user’s home')
    .option('--wallet-dir <path>', 'CASHU_WALLET_DIR here')
    .option(
      '--move <old=new>',
      'what was at /old is at /new here (workspaces, say); can be given again',
      move,
      [],
    )
    .option('--replace', 'also where there is a bot already: that is kept beside', false)
    .option(...passphraseFile)
    .option('--env-file <path>', 'write this instead of .env')
    .action(async (options: import('./restore.ts').RestoreOptions) => {
      const { restore } = await import('./restore.ts');
      finish(await restore(options));
    });
  program
    .command('upgrade')
    .description('bring a git checkout and its databases to the newest version, or leave all as it was')
    .option('--check', 'only tell what there is', false)
    .option(
      '--to <ref>',
      'a branch, tag or commit; default: the newest of its branch, else the newest version',
    )
    .option('--folder <path>', 'the checkout; default: that of this program')
    .option('--env-file <path>', 'read this instead of .env')
    .action(async (options: import('./upgrade.ts').UpgradeOptions) => {
      const { upgrade } = await import('./upgrade.ts');
      finish(await upgrade(options));
    });
  program
    .command('self-check <bot> [wallets...]', { hidden: true })
    .description('what upgrade asks a new version: databases brought to it, and what is in them')
    .action(async (bot: string, wallets: readonly string[]) => {
      const { selfCheck } = await import('../upgrade/self-check.ts');
      process.stdout.write(`${JSON.stringify(await selfCheck({ bot, wallets }))}\n`);
    });
}

function addSetup(program: Command, finish: Finish): void {
  program
    .command('setup')
    .description('make the keys and write .env; asks on a terminal for what no flag says')
    .option('--owner <npub>', 'who may command the bot (as in BOT_OWNERS)')
    .option(
      '--key <key>',
      "the bot's secret key: nsec1…, ncryptsec1… or hex; - reads it from stdin; new makes one",
    )
    .option('--relays <urls>', 'comma-separated wss:// URLs')
    .option('--workspace <path>', 'the directory in which the agent works, or name=path,…')
    .option('--backend <name>', 'opencode or cursor')
    .option('--model <id>', 'default model as the backend names it')
    .option('--no-wallet', 'make no words for a Cashu wallet')
    .option('--env-file <path>', 'write this instead of .env')
    .option(
      '--force',
      'replace a .env that is there (the old one is kept among its secrets in BOT_HOME)',
      false,
    )
    .option('-y, --yes', 'ask nothing', false)
    .option(
      '--service [user|system]',
      'also write a systemd unit that starts the bot; where there is a .env already, only that',
    )
    .option(
      '--credentials [encrypted|plain]',
      'with --service: its secrets come from systemd’s credentials, not from .env; says how to put them there',
    )
    .action(async (options: import('../setup/setup.ts').SetupOptions) => {
      const [{ runSetup }, { processTerminal }] = await Promise.all([
        import('../setup/setup.ts'),
        import('../setup/setup-terminal.ts'),
      ]);
      finish(await runSetup(options, processTerminal()));
    });
}

function addSandbox(program: Command, finish: Finish): void {
  program
    .command('sandbox')
    .description(
      'try everything on this machine, without setup: a chat in which every line is a DM to a real bot',
    )
    .option('--upstream <url>', 'an OpenAI-compatible server in place of the built-in model')
    .option('--upstream-key <key>', 'its API key')
    .option('--upstream-model <id>', 'the model to ask it for')
    .option('--deadline <seconds>', 'with stdin piped: how long a line may take', seconds, 120)
    .option('--keep', 'keep the temporary home and print its path', false)
    .option('--verbose', "show the bot's log", false)
    .action(async (options: import('../sandbox/sandbox.ts').SandboxOptions) => {
      const { sandbox } = await import('../sandbox/sandbox.ts');
      finish(await sandbox(options));
    });
}

function move(text: string, before: readonly Move[]): readonly Move[] {
  const read = readMove(text);
  if (read === undefined) throw new InvalidArgumentError('It must be two absolute paths, /old=/new.');
  return [...before, read];
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 86_400))
    throw new InvalidArgumentError('It must be a number of seconds, e.g. 120.');
  return value;
}

/** Runs the command that the arguments name. @returns the exit code */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  let code = 0;
  const program = commandLine((result) => {
    code = result;
  });
  if (argv.length <= 2) {
    program.outputHelp({ error: true });
    return 2;
  }
  try {
    await program.parseAsync(argv);
    return code;
  } catch (error) {
    // Commander has printed what was wrong (with the nearest command), or the help or version that was asked for.
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    // Scripts read one document, whatever went wrong.
    if (argv[2] === 'wallet' && argv.includes('--json')) {
      const message = error.message.replace(/^error: /, '');
      const document = { error: { kind: 'WalletUsageError', message } };
      process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
    }
    return 2;
  }
}
