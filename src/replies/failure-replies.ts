import { formatSat, sat } from '@nostr-dm-agent/kit/sat';
import { refusals } from '@nostr-dm-agent/routstr';
import type { AgentFailure, AgentFailureKind } from '../backends/backend.ts';
import { type LimitMet, limitsMet } from '../backends/jail/limits.ts';
import type { Settlement } from '../runs/provider.ts';

const limitTexts: Readonly<Record<LimitMet, string>> = {
  memory: 'it took more memory than an agent may (half of this machine’s)',
  processes: 'it started more processes than an agent may',
  scratch: 'its /tmp or home, which lie in memory, were full',
  disk: 'the disk of the workspace is nearly full',
  code: 'plugins or an opencode configuration appeared in the workspace, and nothing here can hide them from the agent',
};
const isLimit = (name: string | undefined): name is LimitMet => limitsMet.some((limit) => limit === name);
const limitText = (name: string | undefined): string =>
  isLimit(name) ? limitTexts[name] : 'it met a bound of its jail';

/** Bounds that an agent met without being ended for them. */
export const limitsLine = (limits: readonly LimitMet[]): string =>
  limits.length === 0 ? '' : `⚠ A bound was met: ${limits.map((limit) => limitTexts[limit]).join('; ')}.`;

/** `.git` folders that a run made or changed are somebody's to look at before they use git there. */
export const newGitLine = (paths: readonly string[]): string =>
  paths.length === 0
    ? ''
    : `⚠ The agent made or changed ${paths.slice(0, 5).join(', ')}${paths.length > 5 ? ` and ${paths.length - 5} more` : ''}: what is configured there runs when you use git in it.`;

const withDetail = (sentence: string, detail: string | undefined) =>
  detail === undefined || detail === '' ? sentence : `${sentence}\nIt said: ${detail}`;

/** What happened, and what the owner can do next. The provider's own words are added where they help. */
const sentences: Readonly<Record<AgentFailureKind, (failure: AgentFailure) => string>> = {
  budget_exhausted: ({ detail }) =>
    withDetail('The provider wants to be paid: its balance is used up. Top up, then send !retry.', detail),
  unauthorized: ({ status, detail }) =>
    withDetail(
      `The provider refused the credentials${status === undefined ? '' : ` (${status})`}. Log in on the host again, or choose another model with !models.`,
      detail,
    ),
  model_unknown: ({ detail }) =>
    withDetail('The provider does not know this model. See !models, then choose with !model <id>.', detail),
  bad_request: ({ detail }) => withDetail('The provider did not accept the request.', detail),
  rate_limited: () =>
    'The provider is limiting requests, even after several tries. Wait a little, then !retry.',
  provider_down: ({ detail }) =>
    withDetail(
      'The provider could not be reached or dropped the connection, even after several tries. Try !retry later.',
      detail,
    ),
  provider_nonsense: ({ detail }) =>
    withDetail(
      'The provider sent something that is not an answer, so the run was ended. Try !retry, or another model: !models.',
      detail,
    ),
  context_overflow: () =>
    'The conversation is too long for this model. Begin a new one with !new, or choose a model with a larger context.',
  output_limit: () => 'The answer was cut off at the model’s output limit. Send “go on” to have the rest.',
  permission_denied: ({ detail }) =>
    withDetail('The agent was stopped: it tried something that it may not do in this mode.', detail),
  loop: ({ detail }) =>
    withDetail('The agent went round in circles, so it was ended. Try to put the task differently.', detail),
  no_answer: () => 'The agent ended without an answer. Try !retry, or another model: !models.',
  store_damaged: ({ detail }) =>
    `The agent’s own memory of its sessions could not be read, and was moved aside${detail === undefined ? '' : ` (${detail})`}. !retry begins a new one.`,
  store_locked: () =>
    'Another program on the host holds the agent’s memory of its sessions. Try !retry in a moment.',
  workspace_gone: ({ detail }) =>
    `The workspace is not there any more${detail === undefined ? '' : `: ${detail}`}. !workspace shows the others; whoever runs the bot can bring it back.`,
  backend_unknown: ({ detail }) =>
    `The agent’s program says nothing that this bot understands${detail === undefined ? '' : ` (${detail})`}. Whoever runs the bot can see more with doctor.`,
  session_unknown: () => 'The backend no longer knows this conversation. Begin a new one with !new.',
  bad_configuration: ({ detail }) =>
    withDetail(
      'The agent’s configuration is not valid. Whoever runs the bot can see more with doctor.',
      detail,
    ),
  workspace_code: ({ detail }) =>
    `The workspace brings code that opencode would run by itself (${detail}), so it was not started. Whoever runs the bot can install bubblewrap, which hides it, or set BOT_TRUST_WORKSPACE=1.`,
  path_changed: ({ detail }) =>
    `${detail ?? 'A path of the workspace'} is a link or was replaced meanwhile, so the agent was not started: it could lead anywhere.`,
  no_wall: () =>
    'No agent is started, because the wall that BOT_ISOLATION asks for cannot be built on this host. Whoever runs the bot can see more with doctor.',
  limit: ({ detail }) => `The agent was ended: ${limitText(detail)}.`,
  no_server: () =>
    'That needs an agent server, and none can be had now. Try again when no task is at work; !status says whether servers are kept ready.',
  host_away: ({ detail }) =>
    `The agent host ${detail} can’t be reached, so nothing was begun. !retry when it is back (!hosts shows that), or begin a session elsewhere with !new.`,
  host_lost: ({ detail }) =>
    `The connection to the agent host ${detail} was lost in the middle of the task, so the task was ended there. What it had changed until then is in its workspace. !continue goes on when the host is back.`,
  host_unpaid: ({ detail }) =>
    `This workspace is on the agent host ${detail}, where only the wallet pays (!provider set routstr): logins and keys of other providers stay on the bot’s own machine.`,
  disk_full: () =>
    'The disk of the host is full, so the agent could not work. Whoever runs the bot has to make room; then send !retry.',
  not_writable: ({ detail }) =>
    withDetail(
      'The agent’s program may not write where it has to. Whoever runs the bot can see more with doctor; then send !retry.',
      detail,
    ),
  backend_missing: ({ detail }) =>
    `The agent’s program can’t be started${detail === undefined ? '' : `: ${detail}`}. Whoever runs the bot can see more with doctor.`,
  crashed: ({ detail }) =>
    detail?.startsWith('ended by SIGKILL')
      ? 'The agent’s program was killed by the host, mostly for want of memory. Try !retry, or a smaller task.'
      : detail?.startsWith('ended by ')
        ? `The agent’s program crashed (${detail}). Try !retry.`
        : withDetail('The agent’s program crashed. Try !retry.', detail),
};

/** Where a run that the wallet paid for fails differently: there is a node, and no login. What it cost is said elsewhere. */
const paidSentences: Readonly<
  Partial<Record<AgentFailureKind, (failure: AgentFailure, settlement: Settlement) => string>>
> = {
  budget_exhausted: (_, settlement) => {
    const used =
      settlement && ` (${formatSat(sat(settlement.spent))} of ${formatSat(sat(settlement.budget))})`;
    const more = settlement === undefined ? '<sats>' : String(settlement.budget * 2);
    return `The budget is used up${used ?? ''}. !continue goes on where it was, with a new budget; !continue ${more} with a bigger one.`;
  },
  unauthorized: ({ detail }) =>
    withDetail('The node refused the key of this run. !retry pays with a new one.', detail),
  model_unknown: ({ detail }) =>
    withDetail(
      'The node does not have this model. See !provider models, then choose with !model routstr/<id>.',
      detail,
    ),
  bad_request: ({ detail }) =>
    detail === refusals.node_contradicts[1]
      ? 'The node contradicts its own bills, so the run was ended. !continue goes on where it was, best at another node.'
      : detail === refusals.request_limit[1]
        ? `${detail} !continue goes on where it was.`
        : withDetail('The node did not accept the request. Try another model: !provider models.', detail),
  rate_limited: () =>
    'The node is limiting requests, even after several tries. Wait a little, then !continue goes on where it was.',
  provider_down: ({ detail }) =>
    withDetail(
      'The node could not be reached or dropped the connection, even after several tries. !continue goes on where it was, when it is back.',
      detail,
    ),
  provider_nonsense: ({ detail }) =>
    withDetail(
      'The node sent something that is not an answer, so the run was ended. Try !continue, or another model: !provider models.',
      detail,
    ),
};

/** The sentence for a failed run. `paid`: its money went through the wallet; what it cost, if that is known. */
export function describeFailure(failure: AgentFailure, paid?: { readonly settlement: Settlement }): string {
  const sentence = paid && paidSentences[failure.kind];
  return sentence ? sentence(failure, paid.settlement) : sentences[failure.kind](failure);
}
