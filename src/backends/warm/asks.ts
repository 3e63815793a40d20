import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Approval, Verdict } from '../approval.ts';
import type { AgentRequest, RunObserver } from '../backend.ts';
import { isAskedAnyway, type PermissionRule, wantsAsking } from './approval-rules.ts';
import type { WarmServer } from './server.ts';
import type { PermissionAsked, QuestionAsked } from './server-events.ts';

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

const approvalOf = (asked: PermissionAsked, bySubAgent: boolean): Approval => {
  const { id, permission, patterns, metadata } = asked;
  const command = textOf(metadata.command);
  const file = textOf(metadata.filepath) ?? patterns[0];
  if (permission === 'bash')
    return { id, bySubAgent, what: { kind: 'command', command: command ?? patterns.join(' && ') } };
  if (permission === 'edit' && file !== undefined)
    return { id, bySubAgent, what: { kind: 'edit', file, diff: textOf(metadata.diff) } };
  return { id, bySubAgent, what: { kind: 'other', permission, patterns } };
};

type Refused = { readonly asked: PermissionAsked; readonly why: string };

/** Each reason once; which one is whose, where they differ. */
const reasonsOf = (refused: readonly Refused[]): string => {
  const [first, ...others] = new Set(refused.map(({ why }) => why));
  if (first !== undefined && others.length === 0) return first;
  return refused.map(({ asked, why }) => `${asked.patterns.join(' && ')}: ${why}`).join('\n');
};

const nobodyAnswers: Verdict = { answer: 'no', why: 'Nobody can answer now. Go on without it.' };

/** Brings what the agents of one run ask to their owner, and back. Nothing that is asked outlives the run: `dismiss`. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions that share what was asked
export const createAsks = (
  server: Pick<WarmServer, 'client' | 'prepared'>,
  request: AgentRequest,
  observer: RunObserver,
  log: Logger,
) => {
  const { client, prepared } = server;
  const over = new AbortController();
  const seen = new Set<string>();
  const rule = request.approvals ?? 'off';
  /** What the owner allowed for the rest of the run. */
  const allowed: PermissionRule[] = [];
  const isAllowed = ({ permission, always }: PermissionAsked): boolean =>
    always.length > 0 &&
    always.every((pattern) =>
      allowed.some((one) => one.permission === permission && one.pattern === pattern),
    );

  const verdictOf = async (asked: PermissionAsked, bySubAgent: boolean): Promise<Verdict> => {
    const { permission } = asked;
    if (isAllowed(asked)) return { answer: 'once' };
    // Sub-agents take the server's rules, which have everything asked: see `askFirst`.
    const needed =
      wantsAsking(rule, permission) ||
      (permission !== 'bash' && permission !== 'edit') ||
      isAskedAnyway(prepared.configuration, permission);
    if (!needed) return { answer: 'once' };
    return (await observer.onApproval?.(approvalOf(asked, bySubAgent), over.signal)) ?? nobodyAnswers;
  };

  /**
   * What several tools of one step ask: opencode takes the first no of a session for all of its open asks, so what is refused
   * waits until the others are decided.
   */
  const steps = new Map<string, { open: number; refused: Refused[] }>();
  const refuseAll = async (sessionID: string, refused: readonly Refused[]): Promise<void> => {
    steps.delete(sessionID);
    const message = reasonsOf(refused);
    // With the first the others are refused.
    for (const { asked } of refused)
      await client.permission.reply({ requestID: asked.id, reply: 'reject', message });
  };
  const answer = async (asked: PermissionAsked, bySubAgent: boolean): Promise<void> => {
    const { sessionID } = asked;
    const step = steps.get(sessionID) ?? { open: 0, refused: [] };
    steps.set(sessionID, step);
    step.open++;
    try {
      const verdict = await verdictOf(asked, bySubAgent);
      if (over.signal.aborted) return;
      if (verdict.answer === 'no') step.refused.push({ asked, why: verdict.why || 'No.' });
      else await allow(asked, verdict);
    } finally {
      step.open--;
      if (step.open === 0 && !over.signal.aborted) await refuseAll(sessionID, step.refused);
    }
  };
  const allow = async (asked: PermissionAsked, verdict: Verdict): Promise<void> => {
    if (verdict.answer === 'always')
      for (const pattern of asked.always.length > 0 ? asked.always : asked.patterns)
        allowed.push({ permission: asked.permission, pattern, action: 'allow' });
    await client.permission.reply({ requestID: asked.id, reply: 'once' });
  };

  const answerQuestion = async ({ id: requestID, questions }: QuestionAsked): Promise<void> => {
    const answers = await observer.onQuestion?.(questions, over.signal);
    if (over.signal.aborted) return;
    if (answers === undefined) await client.question.reject({ requestID });
    else await client.question.reply({ requestID, answers: answers.map((labels) => [...labels]) });
  };

  const guarded = (id: string, work: () => Promise<void>, refuse: () => Promise<unknown>): void => {
    if (seen.has(id) || over.signal.aborted) return;
    seen.add(id);
    work().catch(async (cause: unknown) => {
      log.error({ cause, runId: request.runId }, 'what an agent asked could not be brought to its owner');
      if (!over.signal.aborted) await refuse().catch(() => undefined);
    });
  };

  /** From now on no answer does anything. */
  const close = (): void => over.abort();

  /** Takes back what is still asked. @param family the run's sessions */
  const dismiss = async (family: ReadonlySet<string>, signal: AbortSignal): Promise<void> => {
    close();
    const [permissions, questions] = await Promise.all([
      client.permission.list({}, { signal, throwOnError: true }),
      client.question.list({}, { signal, throwOnError: true }),
    ]);
    const message = 'The run is over.';
    await Promise.all([
      ...permissions.data
        .filter(({ sessionID }) => family.has(sessionID))
        .map(({ id }) => client.permission.reply({ requestID: id, reply: 'reject', message }, { signal })),
      ...questions.data
        .filter(({ sessionID }) => family.has(sessionID))
        .map(({ id }) => client.question.reject({ requestID: id }, { signal })),
    ]);
  };

  return {
    onPermission: (asked: PermissionAsked, bySubAgent: boolean): void =>
      guarded(
        asked.id,
        () => answer(asked, bySubAgent),
        () => client.permission.reply({ requestID: asked.id, reply: 'reject', message: nobodyAnswers.why }),
      ),
    onQuestion: (asked: QuestionAsked): void =>
      guarded(
        asked.id,
        () => answerQuestion(asked),
        () => client.question.reject({ requestID: asked.id }),
      ),
    close,
    dismiss,
  };
};
export type Asks = ReturnType<typeof createAsks>;
