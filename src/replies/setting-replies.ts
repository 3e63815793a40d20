import type { Setting } from '../config/settings.ts';
import type { VariableName } from '../config/variables.ts';
import { lines, shorten } from './format.ts';

/** What each variable is for, in a sentence or two. */
export const settingMeanings: Readonly<Record<VariableName, string>> = {
  BOT_KEY: 'The bot’s secret key: who it is.',
  BOT_KEY_PASSWORD: 'Opens a key that is encrypted (ncryptsec1…).',
  BOT_OWNERS: 'Who may command the bot; the first is admin. Others come by !owners and !invite.',
  BOT_MASTER_PUBKEY: 'A single admin, beside or instead of BOT_OWNERS.',
  BOT_RELAYS: 'Where the bot listens, and where it is written to.',
  BOT_HOME: 'Where the bot keeps its state and its log.',
  BOT_WORKSPACE: 'The folders in which agents work; the first is the default.',
  BOT_BACKEND: 'The program that does the work.',
  BOT_AGENTS: 'Further programs that can do it, by the Agent Client Protocol.',
  BOT_AGENT_HOSTS: 'Other machines that agents work on, by SSH.',
  OPENCODE_BIN: 'Where opencode is, if it is not found by itself.',
  CURSOR_BIN: 'Where cursor-agent is, if it is not found by itself.',
  BOT_PAGE: 'Where this page is served, on this machine alone.',
  BOT_ACCOUNTS: 'shared: owners spend what is in the wallet. separate: each what they brought in.',
  BOT_CURRENCY: 'A currency in which sats are explained, roughly.',
  BOT_BLOSSOM:
    'Servers (Blossom) for the files that the bot sends, encrypted; the first that takes one has it.',
  BOT_FILE_DAYS: 'How many days they stay there.',
  BOT_LUD16: 'A Lightning address in the bot’s profile: where zaps go.',
  BOT_STT_URL: 'An OpenAI-compatible service that turns voice notes into text; unset: they are not read.',
  BOT_STT_KEY: 'Its API key.',
  BOT_STT_MODEL: 'Its model, as it names it.',
  BOT_STT_LANGUAGE: 'The language that is spoken, in two letters; unset: it finds out.',
  BOT_MODEL: 'The model of those who have chosen none.',
  BOT_WARM_SERVERS: 'How many agent servers are kept ready; 0: each run starts a process of its own.',
  BOT_WARM_MINUTES: 'How many minutes one is kept that nobody uses.',
  BOT_CONCURRENCY: 'How many runs go on side by side.',
  BOT_RUN_TIMEOUT_MINUTES: 'A run is ended after so many minutes.',
  BOT_RUN_IDLE_MINUTES: 'A run is ended after so many minutes in which nothing comes of it.',
  BOT_HOLD_MINUTES: 'How many minutes a run whose budget is used up is held for !more.',
  BOT_PROGRESS_SECONDS: 'A message on how it goes at most every so many seconds; 0: never.',
  BOT_CATCHUP_HOURS: 'What came while the bot was away is acted on if it is younger than so many hours.',
  BOT_HISTORY_DAYS:
    'Messages and runs that are over are forgotten after so many days; 0: never. What was paid stays in the ledger.',
  BOT_TRUST_WORKSPACE: '1: agents also read the workspace’s own opencode.json and plugins.',
  BOT_APPROVALS: 'What agents ask before they do it: off, commands or all.',
  BOT_ISOLATION: 'The wall around agents: auto, bwrap, landlock or none.',
  BOT_AGENT_NETWORK: 'What agents reach: internet, none, or host (all that this machine reaches).',
  BOT_AGENT_PATHS: 'What else of this machine they see, to read (ro) or to write (rw).',
  BOT_GIT_NAME: 'The author of their commits.',
  BOT_GIT_EMAIL: 'The author’s address.',
  CASHU_MNEMONIC: 'The words of the wallet: whoever has them has the money.',
  CASHU_PASSPHRASE_FILE: 'A file with the passphrase that opens sealed words.',
  CASHU_MINT_URL: 'The mint that top-ups come from.',
  CASHU_MINTS: 'Further mints whose tokens are accepted.',
  CASHU_WALLET_DIR: 'Where the wallet’s database is.',
  CASHU_MAX_BALANCE_SAT: 'The most that the wallet takes in.',
  ROUTSTR_BASE_URL: 'The node that serves paid runs.',
  ROUTSTR_FALLBACKS: 'Nodes for runs whose own is down before they begin.',
  BOT_PROXY: 'A SOCKS5 proxy (Tor) that everything of the bot’s own goes through.',
  LOG_LEVEL: 'What is logged: debug, info, warn, error or silent.',
  LOG_FORMAT: 'How it is written to standard error: pretty or json.',
};

const origins: Readonly<Record<Setting['origin'], string>> = {
  file: '.env',
  environment: 'environment',
  default: 'default',
  program: 'sandbox',
};

/** Of many those that somebody has set; of few what each is for, too. */
export function settingsText(settings: readonly Setting[], find: string): string {
  const wanted = find.toLowerCase();
  const found = settings.filter(
    ({ name, origin }) =>
      (find !== '' || origin !== 'default') &&
      `${name} ${settingMeanings[name]}`.toLowerCase().includes(wanted),
  );
  if (found.length === 0) return find === '' ? 'Everything is as it comes.' : 'No variable is about that.';
  return lines(
    ...found.map(({ name, value, origin }) => `${name}=${shorten(value ?? '', 200)} (${origins[origin]})`),
    found.length <= 3 && found.map(({ name }) => settingMeanings[name]),
    find === '' && 'All others have their defaults; !settings <part of a name> shows them.',
    'They are changed in .env, and read at the next start.',
  );
}
