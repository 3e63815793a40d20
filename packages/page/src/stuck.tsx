/** @jsxImportSource hono/jsx */
import { formatSat } from '@nostr-dm-agent/kit/sat';
import { Time } from './layout.tsx';
import type { StuckFacts } from './money-source.ts';

/** Money that a person must look at: what is wrong, what to do, and all that helps whoever is asked. */
export const Stuck = ({ stuck }: { readonly stuck: readonly StuckFacts[] }) =>
  stuck.length === 0 ? null : (
    <section aria-labelledby="stuck">
      <h2 id="stuck">Needs a person</h2>
      {stuck.map((each) => (
        <One stuck={each} />
      ))}
    </section>
  );

const One = ({ stuck }: { readonly stuck: StuckFacts }) => (
  <details class="card troubled" id={`stuck-${stuck.id}`}>
    <summary>
      <strong>{formatSat(stuck.inDoubt)} in doubt</strong> · {stuck.where} · <Time at={stuck.since} />
      <span class="problem">{stuck.problem}</span>
    </summary>
    <h3>What to do</h3>
    <ol>
      {stuck.todo.map((step) => (
        <li>{step}</li>
      ))}
    </ol>
    <h3>What is known</h3>
    <dl class="known">
      {[
        { name: 'Run', amount: stuck.id },
        ...(stuck.task === undefined ? [] : [{ name: 'Task', amount: stuck.task }]),
        ...(stuck.operator === undefined ? [] : [{ name: 'Its operator', amount: stuck.operator }]),
        ...stuck.amounts,
      ].map(({ name, amount }) => (
        <div>
          <dt>{name}</dt>
          <dd>{amount}</dd>
        </div>
      ))}
    </dl>
    {stuck.evidence.length > 0 && <Evidence evidence={stuck.evidence} />}
  </details>
);

const Evidence = ({ evidence }: Pick<StuckFacts, 'evidence'>) => (
  <>
    <h3>What {evidence.length === 1 ? 'was answered' : 'was answered, the last of it below'}</h3>
    <table class="stack">
      <thead>
        <tr>
          {['When', 'Asked', 'Answer', 'It said', 'Request id'].map((name) => (
            <th scope="col">{name}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {evidence.map(({ at, step, outcome, status, said, requestId }) => (
          <tr>
            <td data-label="When">
              <Time at={at} />
            </td>
            <td data-label="Asked">{step}</td>
            <td data-label="Answer">{[status, outcome.replaceAll('_', ' ')].filter(Boolean).join(' ')}</td>
            <td data-label="It said">{said}</td>
            <td data-label="Request id">{requestId ?? ''}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </>
);
