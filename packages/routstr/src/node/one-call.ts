import { type Fetch, neverSent, readBody } from '@nostr-dm-agent/kit/http';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { z } from 'zod';
import { addHeaderToBill, addToBill, billSchema, emptyBill, settleBill } from '../meter/cost.ts';
import { createEventSplitter, eventData } from '../meter/event-stream.ts';
import type { MeterPrice } from '../meter/metered-run.ts';
import { noAnswer } from './node-http.ts';
import type { NodeUrl } from './node-url.ts';
import type { Evidence } from './outcomes.ts';
import { parseRefusal, parseShortage, scrub } from './refusal-shapes.ts';

/** A model call that its own token pays for (`x-cashu`, docs/node-protocol.md#calls). */
export type OneCall = {
  /** Secret. */
  readonly token: string;
  readonly model: string;
  readonly price: MeterPrice;
  readonly body: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
};

export type OneCallOutcome =
  | {
      readonly state: 'answered';
      readonly text: string;
      /** `length`: it was cut off at `max_tokens`; `broken`: the connection ended in mid-answer. */
      readonly end: 'whole' | 'length' | 'broken';
      /** By the node's bill; undefined: there was none. */
      readonly costMsat: number | undefined;
      readonly evidence: Evidence;
    }
  /** The node refused, or what is behind it failed. */
  | {
      readonly state: 'refused';
      /** A 402: this much has to be there. */
      readonly neededMsat: number | undefined;
      readonly evidence: Evidence;
    }
  | { readonly state: 'not_sent' | 'no_answer'; readonly evidence: Evidence };

const largestAnswer = 4 * 1024 * 1024;
const choiceSchema = z.object({
  delta: z.object({ content: z.string().nullish() }).nullish(),
  message: z.object({ content: z.string().nullish() }).nullish(),
  finish_reason: z.string().nullish(),
});
const answerSchema = z.object({ choices: z.array(choiceSchema).nullish() });

/**
 * Makes the call, once: asked again, a node would say that the token is spent. `body` must ask for a stream: an answer
 * in one piece is cut off by nodes up to 0.4.5 (seen).
 *
 * @param keep gets the header `X-Cashu` of whatever answer has one, before its body is read: the change, or the payment
 *   itself when the node has not taken it. To put it on disk before it returns.
 * @throws the signal's reason; the token may be spent then
 */
export async function payForOneCall(
  node: NodeUrl,
  call: OneCall,
  keep: (token: string) => void,
  signal: AbortSignal,
  fetch: Fetch,
): Promise<OneCallOutcome> {
  signal.throwIfAborted();
  const timeout = AbortSignal.timeout(call.timeoutMs);
  try {
    const response = await fetch(`${node}/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        'accept-encoding': 'identity',
        'x-cashu': call.token,
      },
      body: JSON.stringify(call.body),
      redirect: 'manual',
      keepalive: false,
      signal: AbortSignal.any([signal, timeout]),
    });
    const change = response.headers.get('x-cashu')?.trim();
    if (change) keep(change);
    // The rest of an answer that broke off is not worth losing what is there.
    const { text, end } = await readBody(response, largestAnswer);
    signal.throwIfAborted();
    const requestId = response.headers.get('x-routstr-request-id') ?? undefined;
    const facts = { status: response.status, code: undefined, message: '', requestId };
    if (response.status !== 200) {
      const refusal = parseRefusal(text, requestId);
      const { code, message } = refusal;
      const evidence = { ...facts, code, message };
      const neededMsat = response.status === 402 ? parseShortage(refusal).neededMsat : undefined;
      return { state: 'refused', neededMsat, evidence };
    }
    return { ...readAnswer(call, response.headers, text, end === 'whole'), evidence: facts };
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted)
      return { state: 'no_answer', evidence: noAnswer(`nothing within ${call.timeoutMs} ms`) };
    const message = scrub(error instanceof Error ? error.message : 'request failed');
    return { state: neverSent(error) ? 'not_sent' : 'no_answer', evidence: noAnswer(message) };
  }
}

function readAnswer(
  call: OneCall,
  headers: Headers,
  body: string,
  whole: boolean,
): Omit<Extract<OneCallOutcome, { state: 'answered' }>, 'evidence'> {
  const bill = emptyBill();
  let text = '';
  let finish: string | undefined;
  for (const piece of piecesOf(body, headers)) {
    const json = parseJson(piece);
    const part = billSchema.safeParse(json).data;
    if (part) addToBill(bill, part);
    for (const choice of answerSchema.safeParse(json).data?.choices ?? []) {
      text += choice.delta?.content ?? choice.message?.content ?? '';
      finish = choice.finish_reason ?? finish;
    }
  }
  addHeaderToBill(bill, headers);
  const billed = bill.nodeMsat !== undefined || bill.usd !== undefined || bill.completionTokens !== undefined;
  const cost = settleBill(bill, call.model, call.price, { promptTokens: 0, completionTokens: 0 });
  return {
    state: 'answered',
    text: text.trim(),
    end: finish === 'length' ? 'length' : whole && finish !== undefined ? 'whole' : 'broken',
    costMsat: billed ? cost.msat : undefined,
  };
}

/** The events of a stream; a node that does not stream has one piece. */
function piecesOf(body: string, headers: Headers): readonly string[] {
  if (!(headers.get('content-type') ?? '').includes('text/event-stream')) return [body];
  const splitter = createEventSplitter(largestAnswer);
  const events = [...splitter.push(Buffer.from(body)), splitter.rest()];
  return events.map(eventData).filter((data) => data !== undefined);
}
