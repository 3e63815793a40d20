import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Where the open sockets of a process lead (Linux): `tcp 127.0.0.1:9050`, `udp …`; those that listen or lead nowhere are left out. */
export function connectionsOf(pid: number): readonly string[] {
  const inodes = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // Closed meanwhile.
    }
  }
  return ['tcp', 'tcp6', 'udp', 'udp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .flatMap((line) => {
        const fields = line.trim().split(/\s+/);
        const [host = '', port = ''] = (fields[2] ?? '').split(':');
        if (!inodes.has(fields[9] ?? '') || /^0*$/.test(port)) return [];
        return [`${table.slice(0, 3)} ${hostOf(host)}:${Number.parseInt(port, 16)}`];
      }),
  );
}

/** Words of four bytes, each with its bytes turned round. */
function hostOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  const last = bytes.slice(-4).map((byte) => Number.parseInt(byte, 16));
  const mapped = bytes.length === 4 || bytes.slice(0, 12).join('') === `${'00'.repeat(10)}ffff`;
  return mapped ? last.join('.') : bytes.join('');
}
