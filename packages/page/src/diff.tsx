/** @jsxImportSource hono/jsx */
import type { DiffFacts } from './facts.ts';

/** So much is shown; an agent may have written anything. */
const mostFiles = 100;
const mostLines = 2_000;
const longestLine = 500;

/** What one task changed, file by file. */
export const Diff = ({
  diff,
  task: { session, number },
}: {
  readonly diff: DiffFacts;
  readonly task: { readonly session: string; readonly number: number };
}) => (
  <>
    <p>
      <a href={`/sessions/${session}#task-${number}`}>Back to the session</a>
    </p>
    <h2>What task {number} changed</h2>
    {diff.state === 'refused' ? <p>{diff.why}</p> : <Files files={diff.files} />}
  </>
);

type File = Extract<DiffFacts, { state: 'known' }>['files'][number];

function Files({ files }: { readonly files: readonly File[] }) {
  if (files.length === 0) return <p>Nothing in the workspace.</p>;
  let left = mostLines;
  const shown = files.slice(0, mostFiles).map((file) => {
    const lines = withoutHead(file.diff.trimEnd().split('\n'));
    const taken = lines.slice(0, left);
    left -= taken.length;
    return { file, lines: taken, more: lines.length - taken.length };
  });
  return (
    <>
      {shown.map((one) => (
        <details class="card diff" open>
          <summary>
            <strong>{one.file.file}</strong> <ins>+{one.file.added}</ins> <del>−{one.file.removed}</del>
          </summary>
          <section class="wide" tabindex={0} aria-label={`Diff of ${one.file.file}`}>
            <pre>
              {one.lines.map((line) => (
                <span class={kindOf(line)}>{`${line.slice(0, longestLine)}\n`}</span>
              ))}
            </pre>
          </section>
          {one.more > 0 && <p class="dim">{one.more.toLocaleString('en-US')} more lines.</p>}
        </details>
      ))}
      {files.length > mostFiles && <p class="dim">{files.length - mostFiles} more files.</p>}
    </>
  );
}

/** Its name stands above it. */
function withoutHead(lines: readonly string[]): readonly string[] {
  const first = lines.findIndex((line) => line.startsWith('@@'));
  return first < 0 ? lines : lines.slice(first);
}

/** A sign at the beginning says it, too: colour is for those who see it. */
function kindOf(line: string): string | undefined {
  if (line.startsWith('\\')) return 'dim';
  if (line.startsWith('@@')) return 'hunk';
  if (line.startsWith('+')) return 'added';
  return line.startsWith('-') ? 'removed' : undefined;
}
