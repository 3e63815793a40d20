import type { NodeContext } from './context.ts';
import type { NodeModel } from './node-models.ts';
import { type NodeRefusal, proxied } from './node-refusals.ts';
import type { Profile } from './node-types.ts';
import { isObject } from './pricing.ts';

/** Asks upstream, with its own key and its own name for the model, and for the usage of every stream. */
export async function askUpstream(
  node: NodeContext,
  path: string,
  model: NodeModel,
  body: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<Response> {
  const { baseUrl, apiKey, model: mapped } = node.upstream;
  const streams = body.stream === true && Array.isArray(body.messages);
  const options = isObject(body.stream_options) ? body.stream_options : {};
  const sent = {
    ...body,
    model: mapped ?? model.id,
    ...(streams ? { stream_options: { ...options, include_usage: true } } : {}),
  };
  return fetch(`${baseUrl.replace(/\/$/, '')}/${path.replace(/^v1\//, '')}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify(sent),
    signal,
  });
}

/** Later versions tell faults of upstream from their own by this status and header. */
const fromUpstream = (profile: Profile, status: number, message: string, code?: string): NodeRefusal =>
  profile === 'main'
    ? proxied(424, 'upstream_error', message, {
        code: code ?? 'UPSTREAM_UNAVAILABLE',
        headers: { 'x-routstr-error-scope': 'upstream' },
      })
    : proxied(status, 'upstream_error', message, code === undefined ? {} : { code });

export const unreachable = (profile: Profile): NodeRefusal =>
  fromUpstream(profile, 502, 'Unable to connect to upstream service');

/** The client's answer for an upstream that answered anything but 200. Its 4xx pass through, its 5xx are told. */
export async function upstreamFailure(
  node: NodeContext,
  answer: Response,
  model: NodeModel,
  requestId: string,
): Promise<Response | NodeRefusal> {
  const { status } = answer;
  const text = await answer.text();
  const limited = rateLimit(status, messageIn(text) ?? text, answer.headers);
  if (status >= 500) {
    const preview = text.trim().slice(0, 200) || '<empty>';
    return fromUpstream(
      node.profile,
      status,
      `Upstream base returned ${status} for model ${model.id}: ${preview}`,
      limited ? 'UPSTREAM_RATE_LIMIT' : undefined,
    );
  }
  const retryAfter = answer.headers.get('retry-after');
  const headers = {
    'x-routstr-request-id': requestId,
    ...(retryAfter === null ? {} : { 'retry-after': retryAfter }),
  };
  const parsed = parse(text);
  if (answer.headers.get('content-type')?.includes('json')) {
    const error = isObject(parsed) && isObject(parsed.error) ? parsed.error : undefined;
    if (!limited || !error) return new Response(text, { status, headers: { ...headers, ...json } });
    const told = { ...error, code: 'UPSTREAM_RATE_LIMIT', details: limited };
    return Response.json({ ...(isObject(parsed) ? parsed : {}), error: told }, { status, headers });
  }
  return Response.json(
    {
      error: {
        message: text.trim().slice(0, 500) || 'Upstream request failed',
        type: 'upstream_error',
        code: limited ? 'UPSTREAM_RATE_LIMIT' : status,
        upstream_status: status,
        upstream_content_type: answer.headers.get('content-type'),
        upstream_body_preview: text.trim().slice(0, 500) || null,
        ...(limited ? { details: limited } : {}),
      },
      request_id: requestId,
    },
    { status, headers },
  );
}

const json = { 'content-type': 'application/json' };

function rateLimit(status: number, message: string, headers: Headers): Record<string, unknown> | undefined {
  const markers = /rate limit reached|rate_limit_exceeded|rate limit exceeded|too many requests/i;
  if (status !== 429 && !markers.test(message)) return undefined;
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  return {
    code: 'UPSTREAM_RATE_LIMIT',
    message,
    ...(Number.isFinite(seconds) ? { retry_after_seconds: seconds } : {}),
  };
}

function messageIn(text: string): string | undefined {
  const body = parse(text);
  const error = isObject(body) && isObject(body.error) ? body.error : undefined;
  return typeof error?.message === 'string' ? error.message : undefined;
}

export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
