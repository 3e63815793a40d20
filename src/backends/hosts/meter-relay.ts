import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dial, mostConnections, splice } from '../jail/proxy.ts';

/** Where ssh brings the calls of a host's agents: a socket that leads to the meter, wherever that listens by then. */
export type MeterRelay = {
  readonly path: string;
  /** The meter's port, known with its first door. */
  readonly leadTo: (port: number) => void;
  readonly close: () => void;
};

export const openMeterRelay = async (): Promise<MeterRelay> => {
  // Short: a socket's path may have 107 characters.
  const folder = mkdtempSync(join(tmpdir(), 'nda-'));
  const path = join(folder, 'm');
  let port: number | undefined;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    client.on('error', () => client.destroy());
    if (port === undefined) return void client.destroy();
    dial(['127.0.0.1'], port).then(
      (meter) => {
        if (meter === undefined) client.destroy();
        else splice(client, meter);
      },
      () => client.destroy(),
    );
  });
  server.maxConnections = mostConnections;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(path, resolve);
  await promise;
  return {
    path,
    leadTo: (found) => {
      port = found;
    },
    close: () => {
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
