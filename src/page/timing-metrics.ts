import { onTiming, type Timing } from '@nostr-dm-agent/kit/timings';
import { Histogram, type Registry } from 'prom-client';

const quick = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** What is told of, as a histogram in seconds; those of requests by host and by whether there was an answer. */
const told: Readonly<Record<Timing['name'], { readonly help: string; readonly labels?: readonly string[] }>> =
  {
    task_agent: { help: 'From a task’s coming to its agent at work; what it waited in the queue is in it.' },
    task_model: { help: 'From a task’s coming to the first call of a model at the meter (paid runs).' },
    answer_reply: { help: 'From the last word of an agent to its reply, signed and on disk.' },
    reply_delivery: { help: 'From a message on disk to the first relay that took it.' },
    mint_request: { help: 'Requests to mints, to the head of the answer.', labels: ['host', 'result'] },
    node_request: {
      help: 'Requests to nodes, without model calls, to the head of the answer.',
      labels: ['host', 'result'],
    },
  };
const names = Object.keys(told) as (keyof typeof told)[];

/** Nodes can be found anywhere: those that come after so many have one name together. */
const mostHosts = 20;

/** Histograms of what parts of the bot tell of their times, until the signal aborts. */
export function timingMetrics(registry: Registry, prefix: string, signal: AbortSignal): void {
  const histograms = new Map(
    names.map((name) => [
      name,
      new Histogram({
        name: `${prefix}${name}_seconds`,
        help: told[name].help,
        labelNames: [...(told[name].labels ?? [])],
        buckets: quick,
        registers: [registry],
      }),
    ]),
  );
  const hosts = new Set<string>();
  const bounded = (host: string): string => {
    if (hosts.size < mostHosts) hosts.add(host);
    return hosts.has(host) ? host : 'other';
  };
  const stop = onTiming(({ name, ms, labels = {} }) => {
    const { host } = labels;
    histograms
      .get(name)
      ?.observe(host === undefined ? labels : { ...labels, host: bounded(host) }, ms / 1000);
  });
  signal.addEventListener('abort', stop, { once: true });
}
