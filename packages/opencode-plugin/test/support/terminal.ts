import { Unicode11Addon } from '@xterm/addon-unicode11';
import { Terminal } from '@xterm/headless';

/** A program on a terminal of its own: what it draws, and keys for it. */
export type TerminalSession = {
  /** What is on the screen now, lines without what is blank at their ends. */
  readonly frame: () => string;
  /** Waits until the screen shows this; gives the frame. @throws after 20 s, with the frame as it is */
  readonly shows: (what: string | RegExp) => Promise<string>;
  /** Waits until it shows it no longer. */
  readonly gone: (what: string | RegExp) => Promise<string>;
  readonly type: (keys: string) => void;
  /** Answers a question of a command of opencode's. */
  readonly answer: (question: string, text: string) => Promise<void>;
  /** Types a text into a field of opencode's screen, and waits until it stands there. */
  readonly write: (text: string) => Promise<void>;
  /** Everything that was ever drawn, escape sequences included. */
  readonly sent: () => string;
  readonly exited: Promise<number>;
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>;
};

export const keys = { enter: '\r', escape: '\u001b', down: '\u001b[B', ctrlC: '\u0003' } as const;

const patienceMs = 45_000;

/** Starts it in a pseudo-terminal of this size, whose screen xterm.js keeps. */
export function startInTerminal(
  command: readonly string[],
  options: {
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
    readonly columns?: number;
    readonly rows?: number;
  },
): TerminalSession {
  const { columns = 80, rows = 24 } = options;
  const screen = new Terminal({ cols: columns, rows, allowProposedApi: true });
  screen.loadAddon(new Unicode11Addon());
  screen.unicode.activeVersion = '11';
  let sent = '';
  const listeners = new Set<() => void>();
  const decoder = new TextDecoder();
  const terminal = new Bun.Terminal({
    cols: columns,
    rows,
    data: (_, bytes) => {
      const text = decoder.decode(bytes, { stream: true });
      sent += text;
      screen.write(text, () => {
        for (const listener of listeners) listener();
      });
    },
  });
  // What the program asks of its terminal (its size, its colours) is answered as a terminal does.
  screen.onData((answer) => {
    terminal.write(answer);
  });
  const child = Bun.spawn([...command], {
    cwd: options.cwd,
    env: { ...options.env, TERM: 'xterm-256color' },
    terminal,
  });
  const frame = (): string => {
    const { buffer } = screen;
    const line = (y: number) =>
      buffer.active.getLine(buffer.active.viewportY + y)?.translateToString(true) ?? '';
    return Array.from({ length: rows }, (_, y) => line(y).trimEnd())
      .join('\n')
      .trimEnd();
  };
  const until = async (ready: (drawn: string) => boolean, what: string): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const look = (): void => {
      const drawn = frame();
      if (ready(drawn)) resolve(drawn);
    };
    const timer = setTimeout(() => reject(new Error(`${what}; the screen:\n${frame()}`)), patienceMs);
    listeners.add(look);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      listeners.delete(look);
    }
  };
  const has = (drawn: string, what: string | RegExp): boolean =>
    typeof what === 'string' ? drawn.includes(what) : what.test(drawn);
  return {
    frame,
    shows: (what) => until((drawn) => has(drawn, what), `does not show ${what}`),
    gone: (what) => until((drawn) => !has(drawn, what), `still shows ${what}`),
    type: (text) => {
      terminal.write(text);
    },
    answer: async (question, text) => {
      // A diamond that is filled: this is what is asked now.
      await until((drawn) => drawn.includes(`◆  ${question}`), `does not ask ${question}`);
      terminal.write(`${text}${keys.enter}`);
    },
    write: async (text) => {
      terminal.write(text);
      await until((drawn) => drawn.includes(text), `${text} stands nowhere`);
    },
    sent: () => sent,
    exited: child.exited,
    kill: async (signal = 'SIGKILL') => {
      child.kill(signal);
      await child.exited;
      terminal.close();
      screen.dispose();
    },
  };
}
