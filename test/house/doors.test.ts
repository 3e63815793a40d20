import { expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const root = join(import.meta.dir, '../..');

/** What the linter, with the rules of this repository, finds in these files: the names of the rules, by file. */
async function lint(
  files: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, readonly string[]>>> {
  using place = temporaryFolder();
  const config = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'));
  writeFileSync(
    join(place.path, 'biome.json'),
    JSON.stringify({ ...config, $schema: undefined, vcs: { enabled: false } }),
  );
  for (const [file, source] of Object.entries(files)) {
    mkdirSync(dirname(join(place.path, file)), { recursive: true });
    writeFileSync(join(place.path, file), source);
  }
  const biome = Bun.spawn(
    [
      process.execPath,
      join(root, 'node_modules/@biomejs/biome/bin/biome'),
      'lint',
      '--reporter=json',
      '--max-diagnostics=none',
    ],
    {
      cwd: place.path,
      stdout: 'pipe',
      stderr: 'pipe',
    },
  );
  const report = reportSchema.parse(JSON.parse(await new Response(biome.stdout).text()));
  const found = new Map<string, string[]>();
  for (const { category, severity, location } of report.diagnostics) {
    if (severity === 'error') found.set(location.path, [...(found.get(location.path) ?? []), category]);
  }
  return Object.fromEntries(found);
}

const reportSchema = z.object({
  diagnostics: z.array(
    z.object({ category: z.string(), severity: z.string(), location: z.object({ path: z.string() }) }),
  ),
});

function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'doors-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

const plant = (specifier: string): string => `import { planted } from '${specifier}';\n\nplanted();\n`;

const forbidden: readonly (readonly [file: string, specifier: string])[] = [
  // Against the arrows.
  ['packages/kit/src/planted.ts', '@nostr-dm-agent/nostr'],
  ['packages/kit/src/net/planted.ts', '@nostr-dm-agent/cashu-wallet/open'],
  ['packages/nostr/src/planted.ts', '@nostr-dm-agent/routstr'],
  ['packages/nostr/src/relay/planted.ts', '@nostr-dm-agent/cashu-wallet'],
  ['packages/cashu-wallet/src/planted.ts', '@nostr-dm-agent/nostr'],
  ['packages/routstr/src/meter/planted.ts', '@nostr-dm-agent/nostr'],
  ['packages/sandbox/src/mint/planted.ts', '@nostr-dm-agent/cashu-wallet/open'],
  ['packages/sandbox/src/node/planted.ts', '@nostr-dm-agent/routstr'],
  ['packages/page/src/planted.ts', '@nostr-dm-agent/cashu-wallet'],
  ['packages/routstr/src/planted.ts', '../../../src/replies/wallet.ts'],
  ['packages/opencode-plugin/src/planted.ts', '@nostr-dm-agent/nostr'],
  ['packages/routstr/src/remote/planted.ts', '@nostr-dm-agent/opencode-plugin/server'],
  // Past a door.
  ['src/money/planted.ts', '../../packages/cashu-wallet/src/wallet.ts'],
  ['src/app/planted.ts', '@nostr-dm-agent/kit/src/sat.ts'],
  ['packages/routstr/src/planted.ts', '../../cashu-wallet/src/wallet.ts'],
  ['packages/routstr/test/planted.test.ts', '../../cashu-wallet/src/wallet.ts'],
  ['test/money/planted.test.ts', '../../packages/routstr/src/provider.ts'],
  // What is for tests alone.
  ['src/app/planted.ts', '@nostr-dm-agent/kit/testing/until'],
  ['packages/routstr/src/planted.ts', '@nostr-dm-agent/cashu-wallet/testing/wallet-kit'],
  ['src/app/planted.ts', '../../test/support/owner.ts'],
  // What has one home.
  ['src/money/planted.ts', '@cashu/cashu-ts'],
  ['packages/routstr/src/planted.ts', '@cashu/cashu-ts'],
  ['src/runs/planted.ts', 'execa'],
  ['packages/kit/src/planted.ts', 'execa'],
  ['src/runs/planted.ts', '@opencode-ai/sdk/v2/client'],
  ['src/backends/planted.ts', '@opencode-ai/sdk/v2/client'],
  ['src/backends/planted.ts', '@agentclientprotocol/sdk'],
];

test.each(forbidden)('the linter refuses, in %s, an import of %s', async (file, specifier) => {
  expect(await lint({ [file]: plant(specifier) })).toEqual({ [file]: ['lint/style/noRestrictedImports'] });
});

test('a relay socket outside of packages/nostr is refused', async () => {
  const file = 'src/app/planted.ts';
  const source = "export const socket = new WebSocket('wss://x.example');\n";
  expect(await lint({ [file]: source })).toEqual({ [file]: ['lint/style/noRestrictedGlobals'] });
});

test('files that import each other are refused, even for a type alone', async () => {
  const found = await lint({
    'src/runs/a.ts': "import type { B } from './b.ts';\n\nexport type A = { readonly b: B };\n",
    'src/runs/b.ts': "import type { A } from './a.ts';\n\nexport type B = { readonly a?: A };\n",
  });
  expect(found).toEqual({
    'src/runs/a.ts': ['lint/suspicious/noImportCycles'],
    'src/runs/b.ts': ['lint/suspicious/noImportCycles'],
  });
});

test('what the arrows allow is allowed', async () => {
  const allowed = [
    ['src/app/planted.ts', '@nostr-dm-agent/routstr/open'],
    ['packages/routstr/src/planted.ts', '@nostr-dm-agent/cashu-wallet'],
    ['packages/cashu-wallet/src/planted.ts', '@cashu/cashu-ts'],
    ['packages/nostr/src/planted.ts', '@nostr-dm-agent/kit/clock'],
    ['packages/routstr/test/planted.test.ts', '@nostr-dm-agent/cashu-wallet/testing/wallet-kit'],
    ['src/backends/planted.ts', 'execa'],
    ['src/backends/warm/client.ts', '@opencode-ai/sdk/v2/client'],
    ['src/backends/acp/connection.ts', '@agentclientprotocol/sdk'],
  ] as const;
  expect(
    await lint(Object.fromEntries(allowed.map(([file, specifier]) => [file, plant(specifier)]))),
  ).toEqual({});
});
