/*
 * Homes that an earlier version left behind (`test/fixtures/homes`, see its README): copied to a folder of their own, with
 * the mints and nodes of their fixture on the ports that its tokens name.
 */
import { Database } from 'bun:sqlite';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { onceThePortIsFree } from '@nostr-dm-agent/kit/testing/until';
import {
  createSandboxNetwork,
  type SandboxMint,
  type SandboxMintOptions,
  startSandboxMint,
} from '@nostr-dm-agent/sandbox/mint';
import { type SandboxNode, startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { z } from 'zod';

const fixtures = join(import.meta.dir, '..', 'fixtures', 'homes');

const endSchema = z.looseObject({ state: z.string() });
/** One thing that was put into a home, and how the version that made it would have ended it. */
const putSchema = z.object({
  what: z.string(),
  kind: z.string(),
  id: z.string().optional(),
  state: z.string().optional(),
  amount: z.number().optional(),
  /** What somebody else does a day later. */
  later: z.enum(['pay', 'settle paid', 'settle failed']).optional(),
  /** What it is about then. */
  invoice: z.string().optional(),
  end: endSchema.optional(),
});
export type Put = z.infer<typeof putSchema>;
const sums = z.record(z.string(), z.number());
const auditSchema = z.looseObject({ balanced: z.boolean() });
const mintSchema = z.object({ feePpk: z.number(), keysetVersion: z.enum(['00', '01']) });
const homeSchema = z.object({
  what: z.string(),
  madeBy: z.string(),
  takenAt: z.number(),
  words: z.string(),
  walletFile: z.string(),
  ports: sums,
  mints: z.record(z.string(), mintSchema),
  /** Which mints each node takes. */
  nodes: z.record(z.string(), z.array(z.string())).default({}),
});
export const walletHomeSchema = homeSchema.extend({
  strangers: sums,
  put: z.array(putSchema),
  sendAll: z.boolean().default(false),
  atOpening: sums,
  afterStart: sums,
  atTheEnd: z.object({ ready: z.number(), mints: z.array(z.number()) }),
  books: z.record(z.string(), auditSchema),
});
export const paidHomeSchema = homeSchema.extend({
  strangers: sums,
  put: z.array(putSchema),
  paidIn: z.number(),
  refund: z.boolean().default(false),
  atOpening: sums,
  atTheEnd: sums,
  ledger: z.object({ rows: z.number(), spent: z.number(), fee: z.number(), open: z.number() }),
  books: z.object({ mints: z.record(z.string(), auditSchema), nodes: z.record(z.string(), auditSchema) }),
});
export const botHomeSchema = homeSchema.extend({
  paidIn: z.number(),
  /** Stands for the folder that it was in. */
  place: z.string(),
  keys: z.object({ bot: z.string(), owner: z.string(), member: z.string() }),
  providerKeys: z.record(z.string(), z.string()),
  openCode: z.string(),
  facts: z.object({
    runs: z.array(z.object({ task: z.string(), state: z.string(), outcome: z.string().nullable() })),
    confirmations: z.array(z.object({ code: z.string(), kind: z.string(), taken: z.number() })),
  }),
  open: z.object({ status: z.string(), version: z.string(), acting: z.string(), received: z.string() }),
});

export type OldHomeClock = { at: number; readonly now: () => number };

/** Opens a copy of a home. Whoever opens it ends it. */
export function openOldHome<Home extends z.infer<typeof homeSchema>>(name: string, schema: z.ZodType<Home>) {
  const from = join(fixtures, name);
  const home = schema.parse(JSON.parse(readFileSync(join(from, 'expected.json'), 'utf8')));
  const directory = mkdtempSync(join(tmpdir(), 'old-home-'));
  const ends: (() => unknown)[] = [() => rmSync(directory, { recursive: true, force: true })];
  const clock: OldHomeClock = { at: home.takenAt, now: () => clock.at };
  const network = createSandboxNetwork();

  /** Makes a database of the fixture where it is wanted. `edit` changes the text that it is made of. */
  const load = (fixture: string, path: string, edit = (text: string): string => text): string => {
    loadDatabase(readFileSync(join(from, `${fixture}.sql`), 'utf8'), path, edit);
    return path;
  };
  const started = <Server>(start: () => Server): Promise<Server> => {
    const { promise, resolve } = Promise.withResolvers<Server>();
    // Another run of these tests may be on this port for a moment.
    return onceThePortIsFree(() => resolve(start())).then(() => promise);
  };

  return {
    ...{ home, directory, clock, load },
    path: (name: string): string => join(directory, name),
    /** A file of the fixture that is no database. */
    copy: (path: string, to: string): void => cpSync(join(from, path), to, { recursive: true }),
    startMints: async (options: Pick<SandboxMintOptions, 'incoming'>): Promise<Map<string, SandboxMint>> => {
      const mints = new Map<string, SandboxMint>();
      for (const [mint, made] of Object.entries(home.mints)) {
        const file = load(mint, join(directory, `${mint}.db`));
        const port = portOf(home, mint);
        const running = await started(() =>
          startSandboxMint({ ...made, ...options, ...{ port, file, network, clock } }),
        );
        ends.push(running.stop);
        mints.set(mint, running);
      }
      return mints;
    },
    startNodes: async (
      mints: ReadonlyMap<string, SandboxMint>,
      upstream = { baseUrl: 'http://127.0.0.1:1/v1' },
    ): Promise<Map<string, SandboxNode>> => {
      const nodes = new Map<string, SandboxNode>();
      for (const [node, accepted] of Object.entries(home.nodes)) {
        const file = load(node, join(directory, `${node}.db`));
        const urls = accepted.map((mint) => mints.get(mint)?.url ?? '');
        const port = portOf(home, node);
        const running = await started(() =>
          startSandboxNode({ mints: urls, ...{ upstream, port, file, clock } }),
        );
        ends.push(running.stop);
        nodes.set(node, running);
      }
      return nodes;
    },
    onEnd: (end: () => unknown): void => void ends.push(end),
    end: async (): Promise<void> => {
      for (const end of ends.splice(0).reverse()) await end();
    },
  };
}
export type OldHome<Home extends z.infer<typeof homeSchema>> = ReturnType<typeof openOldHome<Home>>;

function portOf(home: z.infer<typeof homeSchema>, name: string): number {
  const port = home.ports[name];
  if (port === undefined) throw new Error(`the home has no port for ${name}`);
  return port;
}

function loadDatabase(sql: string, path: string, edit: (text: string) => string): void {
  const db = new Database(path, { create: true });
  try {
    db.exec(edit(sql));
  } finally {
    db.close();
  }
}

/** Rows of a database that somebody may be working with. */
export function rowsIn<Row>(path: string, sql: string, row: z.ZodType<Row>): readonly Row[] {
  const db = new Database(path, { readonly: true });
  try {
    db.run('PRAGMA busy_timeout=5000');
    return z.array(row).parse(db.query(sql).all());
  } finally {
    db.close();
  }
}

/** Version and rows of a database, to be compared. */
export function contentOf(path: string): { readonly version: number; readonly rows: readonly string[] } {
  const db = new Database(path, { readonly: true });
  try {
    const names = z.array(z.object({ name: z.string() }));
    const tables = names.parse(
      db.query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all(),
    );
    return {
      version: versionOf(db),
      rows: tables.flatMap(({ name }) =>
        db
          .query(`SELECT * FROM "${name}"`)
          .all()
          .map((row) => `${name} ${JSON.stringify(row)}`)
          .toSorted(),
      ),
    };
  } finally {
    db.close();
  }
}

export const versionOf = (db: Database): number =>
  z.object({ user_version: z.number() }).parse(db.query('PRAGMA user_version').get()).user_version;

/** The copies that were kept of a database before it was migrated. */
export const copiesOf = (path: string): readonly string[] =>
  existsSync(dirname(path))
    ? readdirSync(dirname(path))
        .filter((name) => name.startsWith(`${basename(path)}.before-`))
        .map((name) => join(dirname(path), name))
    : [];
