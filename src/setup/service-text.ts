import { dirname } from 'node:path';
import type { Service } from './install-service.ts';
import { serviceName } from './service-unit.ts';

/** What was written, and what to do next. */
export function serviceText(service: Service): string {
  const { kind, path, installed, running, user, replaced } = service;
  const steps = [
    ...credentialSteps(service),
    ...(kind === 'user' ? userSteps(user) : systemSteps(path, installed)),
  ];
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

/** Secrets go from the file through a pipe: none is an argument. */
function credentialSteps({ kind, envFile, credentials }: Service): readonly string[] {
  const [first] = credentials;
  if (first === undefined) return [];
  const sudo = kind === 'system' ? 'sudo ' : '';
  const file = quoted(envFile);
  return [
    `${sudo}mkdir -p -m 700 ${quoted(dirname(first.path))}`,
    ...credentials.map(({ name, path, encrypted }) => {
      const into = encrypted
        ? `${sudo}systemd-creds encrypt --name=${name} - ${quoted(path)}`
        : `${sudo}sh -c 'umask 077; cat > "$1"' - ${quoted(path)}`;
      // As dotenv reads it: within one kind of quotes or none.
      return String.raw`sed -nE "s/^${name}=(['\"\`]?)(.*)\1\$/\2/p" ${file} | ${into}`;
    }),
    `sed -i -E '/^(${credentials.map(({ name }) => name).join('|')})=/d' ${file}     # once it runs, and you have a copy elsewhere`,
  ];
}

const quoted = (path: string): string =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
