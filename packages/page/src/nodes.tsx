/** @jsxImportSource hono/jsx */
import { Time, type Viewer, type Way, Ways } from './layout.tsx';
import type { NodeFacts, NodesFacts } from './operator-source.ts';
import type { Ask, View } from './view.ts';

export const nodesView: View = {
  path: '/nodes',
  title: 'Nodes',
  adminsOnly: true,
  // Strangers' machines are asked when the view is opened, not as long as it is.
  show: ({ source, viewer, query }) => {
    source.operator.seekNodes(viewer.visitor, modelIn(query));
    return <Filter {...source.operator.nodes(viewer.visitor, modelIn(query))} />;
  },
  live: ({ source, viewer, query }) => (
    <Nodes {...source.operator.nodes(viewer.visitor, modelIn(query))} viewer={viewer} />
  ),
};

/** undefined: that of their next task. */
const modelIn = ({ model = '' }: Ask['query']): string | undefined => model.trim().slice(0, 200) || undefined;

const Filter = ({ model, known }: NodesFacts) => (
  <form method="get" action="/nodes" class="filter">
    <label>
      With the price of
      <input
        name="model"
        type="search"
        value={model}
        list="known-models"
        maxlength={200}
        autocomplete="off"
        placeholder="a model"
      />
    </label>
    <datalist id="known-models">
      {known.map((id) => (
        <option value={id} />
      ))}
    </datalist>
    <button type="submit">Show</button>
  </form>
);

const Nodes = ({ found, isSeeking, current, configured, model, viewer }: NodesFacts & { viewer: Viewer }) => (
  <>
    <p>
      Paid runs are served by <strong>{current}</strong>, {configured ? 'as configured' : 'as chosen here'}. A
      node gets the whole budget of each run before it works, and sees what is said in it.
    </p>
    {!configured && (
      <Ways
        ways={[{ command: '!provider node reset', label: 'Back to the configured one' }]}
        viewer={viewer}
        back="/nodes"
      />
    )}
    <p role="status">{status(found, isSeeking)}</p>
    {found !== undefined && (
      <>
        <ul class="cards">
          {found.nodes.map((node) => (
            <Node node={node} model={model} viewer={viewer} />
          ))}
        </ul>
        <p class="dim">
          As of <Time at={found.at} />. {found.more > 0 && `${found.more} more are announced. `}
          Prices are for a typical small task.
        </p>
      </>
    )}
  </>
);

function status(found: NodesFacts['found'], isSeeking: boolean): string {
  if (isSeeking) return 'Relays and nodes are being asked.';
  if (found === undefined) return 'They could not be asked. Load this view again in a minute.';
  return found.complete ? '' : 'No relay could be asked for announcements and reviews; try again later.';
}

const reviews: Record<NodeFacts['verdict'], string> = {
  trusted: 'reviewed well',
  rejected: '⚠ warned against',
  unreviewed: '⚠ not reviewed',
};

const Node = ({
  node,
  model,
  viewer,
}: {
  readonly node: NodeFacts;
  readonly model: string | undefined;
  readonly viewer: Viewer;
}) => (
  <li class={node.isCurrent ? 'card running' : 'card'} data-key={node.url}>
    <p class="task">
      {node.address} {node.isCurrent && <span class="dim">in use</span>}
    </p>
    <p class="dim">
      {[node.name && `“${node.name}”`, node.version, reviews[node.verdict]].filter(Boolean).join(' · ')}
    </p>
    <p>
      {node.answers
        ? [
            model !== undefined && !node.hasModel && `does not have ${model}`,
            node.price && `about ${node.price} a task`,
            node.takesOurs !== undefined &&
              (node.takesOurs ? 'takes your mint' : '⚠ takes none of your mints'),
          ]
            .filter(Boolean)
            .join(' · ')
        : 'does not answer'}
    </p>
    {!node.isCurrent && node.answers && <Ways ways={[choose(node)]} viewer={viewer} back="/nodes" />}
  </li>
);

/** The command asks once more where nobody vouches for a node; here the button says so itself. */
const choose = ({ url, verdict }: NodeFacts): Way =>
  verdict === 'trusted'
    ? { command: `!provider node ${url}`, label: 'Choose' }
    : {
        command: `!provider node ${url} yes`,
        label: verdict === 'rejected' ? 'Choose despite the warning' : 'Choose without a review',
        grave: true,
      };
