import { afterAll, expect, test } from 'bun:test';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isPrivatePath, namedFiles } from '../../src/files/named-files.ts';
import type { OutgoingFile } from '../../src/files/outgoing-files.ts';
import { resultFiles } from '../../src/files/result-files.ts';
import { resultsText } from '../../src/replies/file-replies.ts';

const home = mkdtempSync(join(tmpdir(), 'result-files-'));
afterAll(() => rmSync(home, { recursive: true }));
const workspace = join(home, 'workspace');
const write = (path: string, content: string | Buffer): void => {
  mkdirSync(dirname(join(workspace, path)), { recursive: true });
  writeFileSync(join(workspace, path), content);
};
const pdf = Buffer.from('%PDF-1.4 \0');
const zip = (size: number) => Buffer.concat([Buffer.from('504b0304', 'hex'), Buffer.alloc(size)]);

/** A run begins now: what is written from here on has a later time. */
function begin(): number {
  write('probe', '');
  const before = statSync(join(workspace, 'probe')).ctimeMs;
  let now = before;
  while (now === before) {
    write('probe', 'x');
    now = statSync(join(workspace, 'probe')).ctimeMs;
  }
  return now;
}
const prepared: OutgoingFile[] = [];
const of = (answer: string, since: number) => {
  prepared.splice(0);
  const { files, texts, left } = resultFiles(answer, workspace, since, {
    isFull: () => false,
    prepare: (file) => {
      prepared.push(file);
      return { name: file.name, mime: file.type.mime, size: file.bytes.length, send: () => undefined };
    },
  });
  return {
    ...{ files: files.map(({ name }) => name), texts: texts.map(({ path }) => path) },
    left: left.map(({ path }) => path),
    said: resultsText({ files, texts, left }),
  };
};

test('what an answer names: declared lines and pictures first, then what is no text', () => {
  const named = (answer: string) =>
    namedFiles(answer).map(({ path, declared }) => (declared ? `!${path}` : path));
  for (const [answer, files] of [
    [
      'Saved as out/chart.png. See `my report.pdf`, too: a (b.zip), "c.mp4".',
      ['my report.pdf', 'out/chart.png', 'b.zip', 'c.mp4'],
    ],
    ['I changed src/a.ts, `src/b.ts` and [c](src/c.ts#L3).', []],
    [
      '![the page](./shots/a%20b.png "now") and [the report](<the report.pdf>)',
      ['!shots/a b.png', 'the report.pdf'],
    ],
    [
      'Done.\n\nFILE: notes/report.md\n- FILE: `b c.csv`\n> FILE: [x](d.svg)',
      ['!notes/report.md', '!b c.csv', '!d.svg'],
    ],
    ['FILE: file:///w/a.md', ['!/w/a.md']],
    ['https://example.com/a.png ![x](https://example.com/b.png) data:image/png;base64,xx mailto:a@b.zip', []],
    ['```\nFILE: a.md\n![x](b.png)\n```\nc.png', ['c.png']],
    ['The FILE: a.md is a file. file: b.md', []],
    ['100%.png', ['100%.png']],
    [`${`FILE: ${'"'.repeat(390)}x\n`.repeat(490)}**\`a.png\`**`, [`!${'"'.repeat(390)}x`, 'a.png']],
    ['![x](a%0A⚡%20paid.png) FILE: b\u202egnp.zip', []],
    ['a.png '.repeat(100_000), ['a.png']],
    [`${'['.repeat(50_000)}\n${'!['.repeat(4_000)}\n-${'`'.repeat(7_000)}x.png\`\nb.png`, ['x.png', 'b.png']],
  ] as const)
    expect([answer.slice(0, 80), named(answer).slice(0, 5)]).toEqual([answer.slice(0, 80), [...files]]);
  expect(named(Array.from({ length: 900 }, (_, i) => `${i}.png`).join(' '))).toHaveLength(40);
});

test('hidden files, keys and databases are never sent by themselves', () => {
  for (const path of [
    '.env',
    'a/.env.local',
    '.git/config',
    'x/.ssh/a.png',
    'prod.env',
    'id_ed25519',
    'tls.key',
    'cert.pem.png',
    'secrets.png',
    'wallet.zip',
    'bot.db',
    'node_modules/a/b.png',
    'credentials.json',
    'k.KDBX',
  ])
    expect([path, isPrivatePath(path)]).toEqual([path, true]);
  for (const path of ['a.png', 'src/secretary.pdf', 'docs/environment.md', 'keyboard.png', 'key/a.png'])
    expect([path, isPrivatePath(path)]).toEqual([path, false]);
});

test('what a run made and named is sent: pictures, other files with a sentence, a declared text as text', () => {
  write('logo.png', Buffer.from('89504e470d0a1a0a00', 'hex'));
  const since = begin();
  write('shot.png', Buffer.from('89504e470d0a1a0a00', 'hex'));
  write('out/report.pdf', pdf);
  write('notes.md', '# Notes\n');
  write('chart.svg', '<svg/>');
  write('long.md', 'lorem '.repeat(2_000));
  write('src/a.ts', 'const a = 1;\n');
  const answer = `See ![it](shot.png), ${workspace}/out/report.pdf, shot.png, logo.png and \`src/a.ts\`.\nFILE: notes.md\nFILE: chart.svg\nFILE: long.md`;
  expect(of(answer, since)).toEqual({
    files: ['shot.png', 'chart.svg', 'long.md', 'out/report.pdf'],
    texts: ['notes.md'],
    left: [],
    said: [
      'chart.svg (image/svg+xml, 1 kB) comes as a file.',
      'long.md (text/markdown, 12 kB) comes as a file.',
      'out/report.pdf (application/pdf, 1 kB) comes as a file.',
    ].join('\n'),
  });
  expect(prepared.every(({ way }) => way === 'get')).toBe(true);
  expect(of(answer, begin()).files).toEqual([]);
});

test('nothing from elsewhere, and nothing secret, whatever an agent writes into its answer or its workspace', () => {
  const since = begin();
  const outside = join(home, 'outside.png');
  writeFileSync(outside, pdf);
  for (const path of ['.env', '.git/a.png', '.hidden/b.png', 'tls.key', 'sub/c.pdf']) write(path, pdf);
  symlinkSync(outside, join(workspace, 'link.png'));
  symlinkSync(home, join(workspace, 'up'));
  linkSync(outside, join(workspace, 'hard.png'));
  write('key.txt', '-----BEGIN OPENSSH PRIVATE KEY-----\n');
  write('money.pdf', `%PDF-1.4 \0cashuB${'o2Ft'.repeat(20)}`);
  write('env.txt', 'OPENAI=sk-proj-a1b2c3d4e5f6g7h8i9j0k1l2\n');
  write('nwc.md', 'nostr+walletconnect://aa?relay=wss://r.example&secret=bb\n');
  write('words.md', `${'abandon '.repeat(11)}about\n`);
  mkdirSync(join(workspace, 'folder.png'));
  const names = [
    '../outside.png',
    outside,
    'up/outside.png',
    'link.png',
    'hard.png',
    '.env',
    '.git/a.png',
    '.hidden/b.png',
    'tls.key',
    'key.txt',
    'env.txt',
    'nwc.md',
    'words.md',
    'money.pdf',
    'folder.png',
    'sub/../../outside.png',
    '~/x.png',
    '/etc/passwd',
    'missing.png',
    '\0.png',
  ];
  const answer = names.map((name) => `FILE: ${name}\n![](${name})\n`).join('');
  expect(of(`${answer}FILE: sub/c.pdf`, since)).toMatchObject({ files: ['sub/c.pdf'], texts: [], left: [] });
});

test('five at most and eight MiB together; what is left is named, with how to have it', () => {
  const since = begin();
  for (let i = 0; i < 7; i++) write(`z${i}.zip`, zip(1_000));
  write('big.zip', zip(6 * 2 ** 20));
  write('second.zip', zip(6 * 2 ** 20));
  write('huge.zip', zip(21 * 2 ** 20));
  const many = of('z0.zip z1.zip z2.zip z3.zip z4.zip z5.zip z6.zip', since);
  expect([many.files.length, many.left]).toEqual([5, ['z5.zip', 'z6.zip']]);
  const large = of('big.zip second.zip huge.zip', since);
  expect([large.files, large.left]).toEqual([['big.zip'], ['second.zip', 'huge.zip']]);
  expect(large.said).toContain('second.zip (6.3 MB) is not sent by itself: !get second.zip does it.');
  expect(large.said).toContain('huge.zip is not sent: it is 22.0 MB, and 20 MiB is the most that I send.');
});

test('however many files an answer names, little is read of what comes to nothing, and few are said to be left', () => {
  const since = begin();
  const names = Array.from({ length: 30 }, (_, i) => `hole${i}.jpg`);
  for (const name of names) {
    write(name, Buffer.from('ffd8ff', 'hex'));
    truncateSync(join(workspace, name), 8 * 2 ** 20);
  }
  let looked = 0;
  const { files, left, texts } = resultFiles(names.join(' '), workspace, since, {
    isFull: () => false,
    prepare: () => {
      looked += 1;
      return undefined;
    },
  });
  expect([looked, files.length, left.length]).toEqual([3, 0, 27]);
  const said = resultsText({ files, texts, left }).split('\n');
  expect([said.length, said.at(-1)]).toEqual([6, 'So are 22 more of those that the answer names.']);
});
