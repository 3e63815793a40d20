import { MAX_DAY_SECONDS, MAX_NOTE_SECONDS, type VoiceProblem } from '../voice/voice-notes.ts';
import { formatDuration, shorten } from './format.ts';

/** What was understood, in one line, before anything comes of it. */
export const heardText = (said: string): string => `🎤 “${shorten(said, 600)}”`;

/** What the agent reads of a task that was spoken. */
export const dictatedNote =
  '\n\n(This was dictated: words may have been misheard for others that sound alike. If one makes no sense, think of what it sounds like.)';

/** Why nothing came of a voice note, and what to do. @param isAdmin they can set what is missing */
export function voiceProblemText(problem: VoiceProblem, isAdmin: boolean): string {
  const settings = (names: string): string =>
    isAdmin ? ` doctor says more (!doctor); ${names} in .env.` : ' Whoever runs the bot has to look.';
  const instead = 'Nothing was run: send the task as text.';
  switch (problem.problem) {
    case 'off':
      return isAdmin
        ? 'Voice is not set up here. Send the task as text; or set BOT_STT_URL in .env to any OpenAI-compatible transcription service (docs/voice.md) and start the bot again.'
        : 'Voice is not set up here. Send the task as text.';
    case 'too_long':
      return `That voice note is ${formatDuration(problem.seconds * 1000)} long, and ${formatDuration(MAX_NOTE_SECONDS * 1000)} is the most that I take. Nothing was run: send it in parts, or as text.`;
    case 'day_full':
      return `You have sent ${MAX_DAY_SECONDS / 60} minutes of voice within a day, which is the most. ${instead}`;
    case 'cut_off':
      return 'I was ended twice while that voice note was being transcribed. Nothing was run: send it again, or as text.';
    case 'silence':
      return '🎤 I could not make out any words. Nothing was run.';
    case 'late':
      return 'That voice note came too late to be acted on. Nothing was run: send it again, or as text.';
    case 'unreachable':
      return `The transcription service can’t be reached. ${instead}${settings('BOT_STT_URL')}`;
    case 'broken_off':
      return 'The transcription service broke off. Nothing was run: send the voice note again, or as text.';
    case 'too_slow':
      return 'The transcription service took too long. Nothing was run: send a shorter voice note, or the task as text.';
    case 'redirected':
      return `The transcription service sends me elsewhere, where I don’t go. ${instead}${settings('BOT_STT_URL')}`;
    case 'not_a_transcription':
      return `The transcription service answered with something that is no transcription. ${instead}${settings('BOT_STT_URL')}`;
    case 'status':
      return statusText(problem.status, instead, settings);
  }
}

function statusText(status: number, instead: string, settings: (names: string) => string): string {
  const answers = `(it answers ${status})`;
  if ([401, 403].includes(status))
    return `The transcription service refuses the bot’s key ${answers}. ${instead}${settings('BOT_STT_KEY')}`;
  if ([404, 405].includes(status))
    return `The transcription service does not know its model or its address ${answers}. ${instead}${settings('BOT_STT_URL, BOT_STT_MODEL')}`;
  if (status === 402)
    return `The transcription service wants to be paid ${answers}. ${instead}${settings('BOT_STT_KEY')}`;
  if (status === 429)
    return `The transcription service takes no more at the moment ${answers}. Nothing was run: send the voice note again later, or as text.`;
  if (status === 413)
    return `That voice note is too large for the transcription service ${answers}. Nothing was run: send it in parts, or as text.`;
  if (status >= 400 && status < 500)
    return `The transcription service can’t read that recording ${answers}. ${instead}`;
  return `The transcription service has a fault ${answers}. Nothing was run: send the voice note again later, or as text.`;
}

/** What is not taken from speech. */
export type Unspoken = 'money' | 'consent' | 'command' | 'one_word' | 'beside_command';

export function unspokenText(reason: Unspoken): string {
  switch (reason) {
    case 'money':
      return 'Money is not moved by voice: a word may be misheard. Nothing was done: type it.';
    case 'consent':
      return 'A yes is not taken by voice: a word may be misheard. Type !yes, or answer the question with 👍.';
    case 'command':
      return 'That command is not taken by voice: a word may be misheard. Nothing was done: type it.';
    case 'one_word':
      return 'That is one word, too little to be sure of. Nothing was run: say it in a sentence, or type it.';
    case 'beside_command':
      return 'A voice note can be the task of a command (!ask, !plan, !agent), and nothing else of one. Nothing was done: type it.';
  }
}
