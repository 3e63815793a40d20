/** What one call of an agent was answered with, as soon as all of it is there and booked. */
export type ModelAnswer = {
  /** The session that asked; empty when it named none. */
  readonly session: string;
  /** Tools were offered: it is a step of the agent's, and no title or summary. */
  readonly isStep: boolean;
  /** The whole text; undefined: it called tools, ended otherwise than by its own word, or what its agent makes of it is not known. */
  readonly text: string | undefined;
  readonly promptTokens: number | undefined;
  readonly completionTokens: number | undefined;
};

/** Agents keep no more of a text. */
const longestText = 1024 * 1024;

/** Gathers the text of an answer for whoever can't wait until its agent has read it. */
export function gatherText() {
  let text = '';
  let isPlain = true;
  let interrupted = false;
  return {
    /** One delta of the stream. */
    add: (delta: Readonly<Record<string, unknown>>): void => {
      const { content } = delta;
      const other = Object.entries(delta).some(
        ([name, value]) => name !== 'content' && name !== 'role' && value !== '' && value != null,
      );
      if (typeof content === 'string' && content !== '') {
        // Texts with something between them are several to an agent.
        if (interrupted) isPlain = false;
        text += content;
      }
      if (other && text !== '') interrupted = true;
      if (text.length > longestText) isPlain = false;
      if (!isPlain) text = '';
    },
    read: (): string | undefined => (isPlain ? text : undefined),
  };
}
