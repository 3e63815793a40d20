import { existsSync } from 'node:fs';
import { unfinishedFile } from '../store/lock-home.ts';
import type { Target } from './checkout.ts';
import { findService, type RunningService, ServiceError, stopMs } from './running-service.ts';
import {
  lockInstallation,
  type Resumed,
  resumeUpgrade,
  type UpgradeParts,
  upgradeInstall,
} from './upgrade-install.ts';

/** What became of it. */
export type UpgradeOutcome =
  | { readonly kind: 'newest' }
  /** `service` undefined: none ran. `down`: it fails with the new version as it did with the old one. */
  | { readonly kind: 'upgraded'; readonly service: 'up' | 'down' | undefined }
  /** It did not stay up. `kept`: something was done in its databases, so it could not be taken back. */
  | { readonly kind: 'undone' | 'kept'; readonly service: RunningService };

/** What is told on the way. */
export type UpgradeNews = {
  readonly target: (target: Target) => void;
  /** What became of one that was cut off. */
  readonly resumed: (resumed: Exclude<Resumed, 'nothing'>) => void;
  /** There is something new, and nothing in its way. */
  readonly begins: () => void;
  /** The service that was stopped was told to start again. */
  readonly started: (service: RunningService, started: boolean) => void;
};

export type RunningUpgrade = UpgradeParts & {
  readonly to: string | undefined;
  /** So long a service has to stay up with its new version. */
  readonly steadyMs: number;
  readonly news: UpgradeNews;
};

/**
 * Brings an installation to another version, and the service that it runs as with it: that is stopped only if there is something new,
 * and whatever became of it, what ran before runs again. A version that does not stay up is taken back.
 *
 * @throws UpgradeFailedError, CheckoutError, ServiceError, LockHeldError, WalletInUseError
 */
export async function upgradeRunning(parts: RunningUpgrade): Promise<UpgradeOutcome> {
  const { installation, checkout, to, signal, news } = parts;
  const wasCutOff = existsSync(unfinishedFile(installation.home, 'upgrade'));
  if (!wasCutOff) {
    await checkout.requireClean();
    const target = await checkout.findTarget(to);
    if (target.commit === (await checkout.head())) {
      news.target(target);
      return { kind: 'newest' };
    }
  }
  const service = await findService(checkout.folder, signal);
  if (service === undefined) return withoutService(parts);
  // As long as it is not what it was.
  let isDue = true;
  try {
    if (!(await service.stop(signal))) {
      isDue = signal.aborted;
      throw new ServiceError(service);
    }
    const upgraded = await whileLocked(parts, () => toTarget(parts));
    if (upgraded === undefined) return { kind: 'newest' };
    const started = await service.start();
    isDue = false;
    news.started(service, started);
    const isUp = started && (await staysUp(service, parts));
    // With an upgrade that was cut off none can start: that says nothing of its version.
    if (isUp || !(service.wasUp || wasCutOff)) {
      upgraded.keep();
      return { kind: 'upgraded', service: isUp ? 'up' : 'down' };
    }
    isDue = true;
    await service.stop(AbortSignal.timeout(stopMs));
    return { kind: await whileLocked(parts, upgraded.takeBack), service };
  } finally {
    if (isDue) news.started(service, await service.start());
  }
}

async function withoutService(parts: RunningUpgrade): Promise<UpgradeOutcome> {
  const upgraded = await whileLocked(parts, () => toTarget(parts));
  upgraded?.keep();
  return upgraded === undefined ? { kind: 'newest' } : { kind: 'upgraded', service: undefined };
}

/** Who does not want to wait any longer takes it as it is. */
async function staysUp(service: RunningService, { steadyMs, signal }: RunningUpgrade): Promise<boolean> {
  try {
    return await service.staysUp(steadyMs, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    return true;
  }
}

async function whileLocked<T>({ installation }: RunningUpgrade, work: () => Promise<T>): Promise<T> {
  const locked = lockInstallation(installation);
  try {
    return await work();
  } finally {
    locked.release();
  }
}

/** undefined: it is the newest. */
async function toTarget(parts: RunningUpgrade) {
  const { checkout, news } = parts;
  const resumed = await resumeUpgrade(parts);
  if (resumed !== 'nothing') news.resumed(resumed);
  await checkout.requireClean();
  const target = await checkout.findTarget(parts.to);
  news.target(target);
  if (target.commit === (await checkout.head())) return undefined;
  news.begins();
  return upgradeInstall(target.commit, parts);
}
