import type { OpencodeEvent } from '../opencode-events.ts';
import type { MessagePart } from './server-events.ts';

/**
 * A part of an answer as `opencode run` would have said it: when it is complete, and once. Undefined while it is not, and
 * for what is never said.
 * @param byModel whether the message is the model's; of others only what opencode wrote itself counts
 */
export const asRunEvent = (part: MessagePart, byModel: boolean): OpencodeEvent | undefined => {
  const { sessionID } = part;
  switch (part.type) {
    case 'step-start':
      return { type: 'step_start', sessionID, part };
    case 'step-finish':
      return { type: 'step_finish', sessionID, part };
    case 'tool': {
      const { status } = part.state;
      return status === 'completed' || status === 'error' ? { type: 'tool_use', sessionID, part } : undefined;
    }
    case 'text':
      if (byModel ? part.time?.end === undefined : !part.synthetic) return undefined;
      return { type: 'text', sessionID, part };
    case 'reasoning':
      return undefined;
  }
};
