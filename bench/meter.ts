import type { Logger } from '@nostr-dm-agent/kit/log';
import { defaultLimits, parseNodeUrl } from '@nostr-dm-agent/routstr';
import { createMeter } from '@nostr-dm-agent/routstr/open';
import { bill, chunk, done, startModelUpstream } from '@nostr-dm-agent/routstr/testing/model-upstream';

/**
 * What the meter adds to a model call: `bun bench/meter.ts`. Direct and metered requests take turns in one run; the
 * ratios are what counts, the absolute numbers are this machine's. Upstream, meter and client each have a thread.
 */
type Size = 'one' | 'words' | 'large';
const sizes: readonly Size[] = ['one', 'words', 'large'];
const key = 'sk-bench';
const bodyOf = (size: Size): string =>
  JSON.stringify({
    model: 'm',
    stream: true,
    // Tells the upstream what to send.
    max_tokens: sizes.indexOf(size) + 1,
    // As large as opencode's first request.
    messages: [{ role: 'user', content: 'x'.repeat(30_000) }],
  });

if (Bun.isMainThread) await measure();
else postMessage(serve(process.env.METER_BENCH ?? ''));

/** In a worker: answers with the URL to be used. */
function serve(what: string): string {
  if (what === 'upstream') {
    const small = chunk({ content: 'word ' });
    const large = chunk({ content: 'x'.repeat(4096) });
    const upstream = startModelUpstream();
    upstream.play(({ max_tokens }) => {
      const pieces = {
        piece: max_tokens === 3 ? large : small,
        count: [0, 1, 20_000, 4000][max_tokens ?? 0] ?? 0,
      };
      let sent = 0;
      return new Response(
        new ReadableStream({
          pull: (controller) => {
            if (sent++ < pieces.count) return controller.enqueue(Buffer.from(pieces.piece));
            controller.enqueue(Buffer.from(chunk({}, 'stop') + bill(5) + done));
            controller.close();
          },
        }),
        { headers: { 'content-type': 'text/event-stream' } },
      );
    });
    return upstream.url;
  }
  const silent = (): void => undefined;
  const log: Logger = { debug: silent, info: silent, warn: silent, error: console.error, child: () => log };
  return createMeter(log).open({
    runId: 'bench',
    node: parseNodeUrl(what),
    agentKey: key,
    nodeKey: key,
    price: () => undefined,
    limits: { ...defaultLimits, requests: 1_000_000 },
  }).baseUrl;
}

function start(what: string): Promise<{ url: string; stop: () => void }> {
  const worker = new Worker(import.meta.url, { env: { ...process.env, METER_BENCH: what } });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve({ url: String(data), stop: () => worker.terminate() });
    worker.onerror = reject;
  });
}

async function request(url: string, size: Size): Promise<{ firstMs: number; allMs: number; bytes: number }> {
  const begin = performance.now();
  const response = await fetch(`${url}/chat/completions`, {
    method: 'POST',
    body: bodyOf(size),
    headers: { authorization: `Bearer ${key}` },
  });
  let firstMs: number | undefined;
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    firstMs ??= performance.now() - begin;
    bytes += piece.byteLength;
  }
  return { firstMs: firstMs ?? Number.NaN, allMs: performance.now() - begin, bytes };
}

async function measure(): Promise<void> {
  const upstream = await start('upstream');
  const meter = await start(upstream.url);
  const ways = { direct: upstream.url, metered: meter.url };
  const median = (values: readonly number[]): number =>
    values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

  for (const [size, rounds] of [
    ['one', 400],
    ['words', 12],
    ['large', 12],
  ] as const) {
    const first = { direct: [] as number[], metered: [] as number[] };
    const rate = { direct: [] as number[], metered: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      for (const way of round % 2 === 0
        ? (['direct', 'metered'] as const)
        : (['metered', 'direct'] as const)) {
        const { firstMs, allMs, bytes } = await request(ways[way], size);
        if (round < rounds / 10) continue;
        first[way].push(firstMs);
        rate[way].push(bytes / 1e3 / allMs);
      }
    }
    const report = (name: string, unit: string, direct: number, metered: number): void =>
      console.log(
        `${name.padEnd(42)}direct ${direct.toFixed(2).padStart(8)} ${unit}   metered ${metered.toFixed(2).padStart(8)} ${unit}   ratio ${(metered / direct).toFixed(2)}`,
      );
    if (size === 'one') {
      report('latency to the first byte', 'ms', median(first.direct), median(first.metered));
    } else {
      const events = size === 'words' ? 'one word each' : '4 kB each';
      report(`throughput, events of ${events}`, 'MB/s', median(rate.direct), median(rate.metered));
    }
  }
  meter.stop();
  upstream.stop();
}
