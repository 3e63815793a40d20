import { expect, test } from 'bun:test';
import type { Approval } from '../../src/backends/approval.ts';
import { catchUp } from '../../src/backends/warm/catch-up.ts';
import { connect } from '../../src/backends/warm/client.ts';
import { followRun } from '../../src/backends/warm/follow-run.ts';
import { makePlace } from '../support/backend.ts';

test('what a sub-agent asks that began while the stream was cut is its run’s', async () => {
  const created = { info: { id: 'ses_child', parentID: 'ses_root' } };
  const stranger = { info: { id: 'ses_other', parentID: 'ses_elsewhere' } };
  const asked = (id: string, sessionID: string) => ({
    ...{ id, sessionID, permission: 'bash', patterns: ['ls'], metadata: { command: 'ls' }, always: [] },
  });
  const server = Bun.serve({
    ...{ hostname: '127.0.0.1', port: 0 },
    fetch: ({ url }) => {
      const { pathname } = new URL(url);
      if (pathname.includes('history'))
        return Response.json([
          { id: 'a', aggregate_id: 'ses_child', seq: 0, type: 'session.created.1', data: created },
          { id: 'b', aggregate_id: 'ses_other', seq: 0, type: 'session.created.1', data: stranger },
        ]);
      if (pathname.includes('permission'))
        return Response.json([asked('per_1', 'ses_child'), asked('per_2', 'ses_other')]);
      return Response.json([]);
    },
  });
  const place = makePlace();
  try {
    const { client } = connect(`http://127.0.0.1:${server.port}`, 'x', place.workspace);
    const nothing = (): void => undefined;
    const heard: [string, boolean][] = [];
    const onPermission = ({ id }: Pick<Approval, 'id'>, bySubAgent: boolean) =>
      void heard.push([id, bySubAgent]);
    const run = followRun({
      ...{ request: place.request('x'), observer: {}, root: 'ses_root', prompt: 'msg_1' },
      ...{ onPermission, onQuestion: nothing, onOver: nothing },
    });
    run.numbered({ session: 'ses_root', seq: 3 });
    const asks = { onPermission, onQuestion: nothing };
    await catchUp(client, run, asks, 'ses_root', AbortSignal.timeout(5_000));
    expect(heard).toEqual([['per_1', true]]);
    expect([...run.family]).toEqual(['ses_root', 'ses_child']);
  } finally {
    await server.stop(true);
    place.remove();
  }
});
