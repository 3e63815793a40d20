import { parse } from 'dotenv';
import { variables } from '../config/variables.ts';

/** A value that no quoting of dotenv can hold. The value is not kept: it may be a secret. */
export class UnwritableValueError extends Error {
  override readonly name = 'UnwritableValueError';
  readonly variable: string;
  constructor(variable: string) {
    super(`${variable} has line breaks or quotes that a .env file can't hold`);
    this.variable = variable;
  }
}

const remarks: Readonly<Record<string, string>> = {
  BOT_KEY: "The bot's secret key. Whoever has it is the bot.",
  BOT_OWNERS: 'Who may command the bot; the first is admin.',
  CASHU_MNEMONIC: "The wallet's 12 words. Whoever has them has the money; without them it is gone.",
};

/**
 * The text of a `.env` file that dotenv reads back as exactly these values; the program's own variables first.
 * @throws UnwritableValueError
 */
export function envText(values: Readonly<Record<string, string>>): string {
  const known = Object.keys(variables);
  const names = [
    ...known.filter((name) => values[name] !== undefined),
    ...Object.keys(values).filter((name) => !known.includes(name)),
  ];
  const lines = names.flatMap((name) => {
    const remark = remarks[name];
    return [...(remark === undefined ? [] : ['', `# ${remark}`]), assignment(name, values[name] ?? '')];
  });
  return [
    '# Written by `setup`. Holds secrets: keep it to yourself, and keep a copy in a safe place.',
    '# Every variable is explained in .env.example.',
    ...lines,
    '',
  ].join('\n');
}

/** A line that dotenv reads back as exactly this value. @throws UnwritableValueError */
export function assignment(name: string, value: string): string {
  const plain = /^[\w./:,@~+=-]*$/.test(value);
  for (const quote of [...(plain ? [''] : []), "'", '"', '`', '']) {
    const closes = quote === '' ? !/['"`\r\n]/.test(value) : !value.includes(quote) && !value.endsWith('\\');
    const line = `${name}=${quote}${value}${quote}`;
    // dotenv has no escapes to rely on, so what counts is what it reads back.
    if (closes && parse(`${line}\n`)[name] === value) return line;
  }
  throw new UnwritableValueError(name);
}
