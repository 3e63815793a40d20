import { createHash } from 'node:crypto';

/** An answer, read to its end. */
export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined when the text is no JSON. */
  readonly json: unknown;
};

export type Call = {
  readonly method?: string;
  readonly bearer?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
};

/** The bare HTTP of a node, without any reading of what it says. */
export function nodeClient(url: string) {
  const open = (path: string, call: Call = {}): Promise<Response> =>
    fetch(url + path, {
      method: call.method ?? (call.body === undefined ? 'GET' : 'POST'),
      headers: {
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(call.bearer === undefined ? {} : { authorization: `Bearer ${call.bearer}` }),
        ...call.headers,
      },
      ...(call.body === undefined
        ? {}
        : { body: typeof call.body === 'string' ? call.body : JSON.stringify(call.body) }),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
  const ask = async (path: string, call: Call = {}): Promise<Answer> => {
    const response = await open(path, call);
    const text = await response.text();
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { status: response.status, headers: response.headers, text, json };
  };
  return { open, ask };
}

export const keyOf = (token: string): string =>
  `sk-${createHash('sha256').update(token, 'utf8').digest('hex')}`;
