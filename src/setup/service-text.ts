import type { Service } from './install-service.ts';
import { serviceName } from './service-unit.ts';

/** What was written, and what to do next. */
export function serviceText({ kind, path, installed, running, user, replaced }: Service): string {
  const steps = kind === 'user' ? userSteps(user) : systemSteps(path, installed);
  return [
    `${replaced ? 'Replaced' : 'Wrote'} ${path}.`,
    ...(running ? [] : ['systemd does not run this machine now: the unit is for one where it does.']),
    ...(kind === 'system' && user === 'root'
      ? ['⚠ It runs as root. Better: give the bot a user of its own, and set it up as that user.']
      : []),
    'Next:',
    ...steps.map((step) => `  ${step}`),
    'After a move or an upgrade of this program, or of bun, run setup --service again.',
    '',
  ].join('\n');
}

const userSteps = (user: string): readonly string[] => [
  'systemctl --user daemon-reload',
  `systemctl --user enable --now ${serviceName}`,
  `loginctl enable-linger ${user}     # it runs while you are logged out`,
  `journalctl --user -u ${serviceName} -f`,
];

const systemSteps = (path: string, installed: boolean): readonly string[] => [
  ...(installed ? [] : [`sudo install -m 644 ${path} /etc/systemd/system/`]),
  'sudo systemctl daemon-reload',
  `sudo systemctl enable --now ${serviceName}`,
  `journalctl -u ${serviceName} -f`,
];
