/*
 * An agent that starts in a moment and spends like opencode: for each call that its task asks for, one streamed chat
 * completion through the provider of its configuration, with the key of its environment. Started by
 * `writePayingOpencode`; see there.
 */
import { z } from 'zod';

const configSchema = z.object({
  provider: z.object({ routstr: z.object({ options: z.object({ baseURL: z.string() }) }) }),
});
/** So much text is sent with each call that it costs some sat. */
const context = 'All work and no play makes a dull agent. '.repeat(500);

const task = await new Response(Bun.stdin.stream()).text();
const { baseURL } = configSchema.parse(JSON.parse(process.env.OPENCODE_CONFIG_CONTENT ?? '{}')).provider
  .routstr.options;
const flag = process.argv.find((argument) => argument.startsWith('--session='));
const session = flag?.slice('--session='.length) ?? `ses_${process.pid}${Date.now()}`;
const base = { id: 'prt_1', messageID: 'msg_1', sessionID: session };
const say = (type: string, rest: object): void =>
  void process.stdout.write(
    `${JSON.stringify({ type, timestamp: Date.now(), sessionID: session, ...rest })}\n`,
  );

const calls = Number(/(\d+) calls/.exec(task)?.[1] ?? 1);
for (let call = 1; call <= calls; call += 1) {
  say('step_start', { part: { ...base, type: 'step-start' } });
  const answer = await fetch(`${baseURL}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${process.env.ROUTSTR_API_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'claude-sonnet-4.5',
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 4096,
      messages: [
        { role: 'system', content: context },
        { role: 'user', content: 'answer with 40 words' },
      ],
    }),
  });
  const text = await answer.text();
  if (!answer.ok) {
    const data = { message: text.slice(0, 300), statusCode: answer.status, isRetryable: false };
    say('error', { error: { name: 'APIError', data } });
    process.exit(1);
  }
  const tokens = { total: 30, input: 20, output: 10, reasoning: 0, cache: { write: 0, read: 0 } };
  const reason = call === calls ? 'stop' : 'tool-calls';
  if (call === calls)
    say('text', { part: { ...base, type: 'text', text: `did: ${task}`, time: { start: 1, end: 2 } } });
  say('step_finish', { part: { ...base, reason, type: 'step-finish', tokens, cost: 0 } });
}
