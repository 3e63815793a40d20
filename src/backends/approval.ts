/** What the agent wants to do, and does not without its owner's word. */
export type Approval = {
  /** The backend's own name of it. */
  readonly id: string;
  readonly what:
    | { readonly kind: 'command'; readonly command: string }
    /** `diff`: unified. */
    | { readonly kind: 'edit'; readonly file: string; readonly diff: string | undefined }
    /** `permission` as the backend names it (`webfetch`, …), and what for. */
    | { readonly kind: 'other'; readonly permission: string; readonly patterns: readonly string[] };
  readonly bySubAgent: boolean;
};

export type Verdict =
  | { readonly answer: 'once' }
  /** This and what is like it, until the run ends. */
  | { readonly answer: 'always' }
  /** The agent is told why, and goes on. */
  | { readonly answer: 'no'; readonly why: string };

/** What the agent asks its owner. */
export type AgentQuestion = {
  readonly question: string;
  readonly options: readonly { readonly label: string; readonly description: string }[];
  /** Several options may be chosen. */
  readonly multiple: boolean;
};

/** What has to be asked before it is done: nothing, what is run, or what is edited too. */
export const approvalRules = ['off', 'commands', 'all'] as const;
export type ApprovalRule = (typeof approvalRules)[number];

/** Who answers. Asked only while the run lasts: the signal is aborted when nobody waits for the answer any more. */
export type Asked = {
  /** Always answers: there is a deadline, after which it is a no with the reason. */
  readonly onApproval?: (approval: Approval, signal: AbortSignal) => Promise<Verdict>;
  /** For each question the labels that were chosen, or words; undefined: no answer. */
  readonly onQuestion?: (
    questions: readonly AgentQuestion[],
    signal: AbortSignal,
  ) => Promise<readonly (readonly string[])[] | undefined>;
};
