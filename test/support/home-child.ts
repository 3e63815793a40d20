/* `backup`, `restore` or `upgrade`, in a process that ends itself at a step. */
import { join } from 'node:path';
import { findInstallation } from '../../src/backup/installation.ts';
import { restoreBackup } from '../../src/backup/restore-backup.ts';
import { writeBackup } from '../../src/backup/write-backup.ts';
import { openCheckout } from '../../src/upgrade/checkout.ts';
import { lockInstallation, upgradeInstall } from '../../src/upgrade/upgrade-install.ts';

export type HomeOrder = {
  readonly work: 'backup' | 'restore' | 'upgrade';
  /** undefined: it lives. */
  readonly at?: string;
  /** The user's home, and where `.env` is. */
  readonly user: string;
  readonly directory: string;
  readonly file?: string;
  readonly passphrase?: string;
  readonly replace?: boolean;
  readonly to?: string;
};

const order: HomeOrder = JSON.parse(await Bun.stdin.text());
const { user, directory, file = '', passphrase = '' } = order;
const signal = AbortSignal.timeout(60_000);
const reached = (step: string): void => {
  if (step === order.at) process.kill(process.pid, 'SIGKILL');
};
const find = () => findInstallation({ HOME: user }, directory, undefined);
switch (order.work) {
  case 'backup': {
    const cost = { n: 16, r: 8, p: 1 };
    await writeBackup(find(), file, passphrase, { program: '1', now: 0, signal, cost, reached });
    break;
  }
  case 'restore':
    await restoreBackup(
      file,
      passphrase,
      { userHome: user, directory, envFile: join(directory, '.env'), moves: [] },
      { replace: order.replace === true, extensions: {}, signal, reached },
    );
    break;
  case 'upgrade': {
    const installation = find();
    const checkout = await openCheckout(directory, signal);
    lockInstallation(installation);
    await upgradeInstall(order.to ?? '', { installation, checkout, signal, reached });
  }
}
