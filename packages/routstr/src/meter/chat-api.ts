import type { Api } from './api.ts';
import { readChatRequest, writeChatRequest } from './chat-request.ts';
import { createCompletion } from './completion.ts';
import { inviteCompaction, inviteRetry, refusalBody, refuse, retryBody } from './refusals.ts';

const frame = (data: string): string => `data: ${data}\n\n`;

/** OpenAI's chat completions: opencode, Qwen Code, Vibe. */
export const chatApi: Api = {
  path: 'chat/completions',
  read: readChatRequest,
  write: writeChatRequest,
  isAnswer: (json) => 'choices' in json,
  follow: createCompletion,
  frame,
  done: frame('[DONE]'),
  wording: {
    refuse,
    inviteRetry,
    inviteCompaction,
    refusalFrame: (code) => frame(refusalBody(code)),
    retryFrame: frame(retryBody),
  },
};
