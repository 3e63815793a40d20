import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';

const root = resolve(import.meta.dir, '../..');
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');

/** Names of metrics, by where they are used. */
type Used = readonly (readonly [where: string, names: readonly string[]])[];

/** Every name that a query can use, of what `/metrics` gave: also of what has no value now. */
export function seriesIn(text: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [, name = '', type] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm))
    for (const end of type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']) names.add(`${name}${end}`);
  return names;
}

const namesIn = (query: string): readonly string[] => query.match(/nostr_dm_agent_\w+/g) ?? [];

const source = z.strictObject({ type: z.literal('prometheus'), uid: z.literal(`\${datasource}`) });
const dashboard = z.object({
  uid: z.string().max(40),
  title: z.string(),
  schemaVersion: z.int(),
  annotations: z.object({ list: z.array(z.object({ datasource: source, expr: z.string() })) }),
  templating: z.object({
    list: z.tuple([
      z.object({
        name: z.literal('datasource'),
        type: z.literal('datasource'),
        query: z.literal('prometheus'),
      }),
      z.object({
        name: z.literal('instance'),
        type: z.literal('query'),
        datasource: source,
        query: z.object({ query: z.string() }),
      }),
    ]),
  }),
  panels: z.array(
    z.object({
      id: z.int(),
      type: z.enum(['row', 'stat', 'timeseries', 'state-timeline']),
      title: z.string(),
      gridPos: z.object({ x: z.int().min(0), y: z.int().min(0), w: z.int().min(1), h: z.int().min(1) }),
      datasource: source.optional(),
      targets: z.array(z.object({ refId: z.string(), datasource: source, expr: z.string() })).default([]),
    }),
  ),
});

/** @throws where Grafana would not take it, or two of its panels lie on each other */
export async function readDashboard(path: string): Promise<Used> {
  const { panels, annotations, templating } = dashboard.parse(JSON.parse(await read(path)));
  const taken = new Set<string>();
  for (const { title, gridPos } of panels)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        if (x >= 24 || taken.has(`${x} ${y}`)) throw new Error(`${title} has no place of its own`);
        taken.add(`${x} ${y}`);
      }
  if (new Set(panels.map(({ id }) => id)).size !== panels.length) throw new Error('two panels have one id');
  return [
    ...panels.map(({ title, targets }) => [title, targets.flatMap(({ expr }) => namesIn(expr))] as const),
    ...annotations.list.map(({ expr }) => ['annotations', namesIn(expr)] as const),
    [
      'variables',
      templating.list.flatMap((each) => ('query' in each ? namesIn(JSON.stringify(each.query)) : [])),
    ],
  ];
}

const rules = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^[A-Z]\w+$/),
          expr: z.string(),
          for: z
            .string()
            .regex(/^\d+[smhd]$/)
            .optional(),
          labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
          annotations: z.strictObject({ summary: z.string(), runbook: z.string() }),
        }),
      ),
    }),
  ),
});

/** @throws where a rule has no heading of its own in the runbook that it names, or a heading of it no rule */
export async function readAlerts(path: string, runbook: string): Promise<Used> {
  const all = rules.parse(Bun.YAML.parse(await read(path))).groups.flatMap((group) => group.rules);
  const headings = Array.from((await read(runbook)).matchAll(/^#+ (.+)$/gm), ([, heading = '']) => heading);
  const anchors = new Set(headings.map((heading) => `${runbook}#${heading.toLowerCase()}`));
  const missing = all.filter(({ annotations }) => !anchors.has(annotations.runbook));
  if (missing.length > 0)
    throw new Error(`not in ${runbook}: ${missing.map(({ alert }) => alert).join(', ')}`);
  return all.map(({ alert, expr }) => [alert, namesIn(expr)] as const);
}
