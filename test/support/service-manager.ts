import type { Subprocess } from 'bun';

/** The settings of a unit file: by `Section.Name`. */
export function parseUnit(text: string): ReadonlyMap<string, string> {
  const settings = new Map<string, string>();
  let section = '';
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const header = /^\[(\w+)\]$/.exec(line)?.[1];
    const [, name, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (header !== undefined) section = header;
    else if (name !== undefined && value !== undefined) settings.set(`${section}.${name}`, value);
    else throw new Error(`not of a unit file: ${line}`);
  }
  return settings;
}

/** The words of a command line as systemd.service(5) reads them; without variables and with `%%` alone. */
export function wordsOf(line: string): readonly string[] {
  return Array.from(line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g), ([, inQuotes, bare = '']) =>
    (inQuotes === undefined ? bare : inQuotes.replace(/\\(.)/g, '$1'))
      .replaceAll('%%', '%')
      .replaceAll('$$', '$'),
  );
}

/** Runs a unit by the rules of systemd: what is restarted, after which pause, and what is not. Pauses are `speed` times shorter. */
export function runUnit(
  text: string,
  environment: Readonly<Record<string, string>>,
  speed: number,
  wrap: (command: readonly string[]) => readonly string[] = (command) => command,
) {
  const unit = parseUnit(text);
  const setting = (name: string): string => {
    const value = unit.get(name);
    if (value === undefined) throw new Error(`the unit has no ${name}`);
    return value;
  };
  const [, path = ''] = /^PATH=(.*)$/.exec(wordsOf(setting('Service.Environment'))[0] ?? '') ?? [];
  const notRetried = setting('Service.RestartPreventExitStatus').split(' ').map(Number);
  const mostStarts = Number(setting('Unit.StartLimitBurst'));
  const exits: (number | string)[] = [];
  let log = '';
  let starts = 0;
  let state: 'running' | 'stopped' | 'failed' = 'running';
  let stopping = false;
  let child: Subprocess | undefined;

  const once = async (): Promise<number | string> => {
    starts += 1;
    const started = Bun.spawn([...wrap(wordsOf(setting('Service.ExecStart')))], {
      cwd: setting('Service.WorkingDirectory').replaceAll('%%', '%'),
      env: { ...environment, PATH: path },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    child = started;
    const read = async (stream: ReadableStream<Uint8Array>) => {
      for await (const chunk of stream) log += Buffer.from(chunk).toString();
    };
    await Promise.all([started.exited, read(started.stdout), read(started.stderr)]);
    return started.signalCode ?? started.exitCode ?? 'unknown';
  };
  const done = (async () => {
    for (;;) {
      const exit = await once();
      exits.push(exit);
      if (stopping || exit === 0) state = 'stopped';
      else if (notRetried.includes(Number(exit)) || starts >= mostStarts) state = 'failed';
      if (state !== 'running') return;
      await Bun.sleep((Number(setting('Service.RestartSec')) * 1000) / speed);
    }
  })();
  return {
    exits,
    done,
    log: () => log,
    starts: () => starts,
    state: () => state,
    kill: (signal: NodeJS.Signals) => child?.kill(signal),
    /** SIGTERM to the main process alone, as KillMode=mixed has it. @returns how long it took, ms */
    stop: async () => {
      stopping = true;
      const at = performance.now();
      child?.kill('SIGTERM');
      await done;
      return performance.now() - at;
    },
  };
}
