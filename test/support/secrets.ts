import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Something that gives whoever reads it power over money or over a name, as a test searches for it. */
export type Secret = {
  readonly name: string;
  /** Each alone gives it away. */
  readonly needles: readonly string[];
};

/** Where secrets are searched. */
export type Place = { readonly name: string; readonly content: Buffer };

/** The text as it is, in base64 (padding and alphabet aside) and in hex. */
export const textForms = (text: string): readonly string[] => {
  const bytes = Buffer.from(text);
  return [
    text,
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
  ];
};

/** Key material: hex in both cases, base64 of the bytes and of the hex. */
export const byteForms = (bytes: Uint8Array): readonly string[] => {
  const hex = Buffer.from(bytes).toString('hex');
  const base64 = Buffer.from(bytes).toString('base64').replace(/=+$/, '');
  return [
    hex,
    hex.toUpperCase(),
    base64,
    Buffer.from(bytes).toString('base64url'),
    ...textForms(hex).slice(1),
  ];
};

/** A long text may be broken up (pages of a database, lines of a log): any piece of it counts. */
export const pieces = (text: string, skip = 0, length = 48): readonly string[] =>
  Array.from({ length: Math.floor((text.length - skip) / length) }, (_, i) =>
    text.slice(skip + i * length, skip + (i + 1) * length),
  );

/** Every file below a folder but those that `except` names; what goes away meanwhile has nothing to tell. */
export function filesBelow(folder: string, except: readonly string[] = []): Place[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !except.some((one) => path === one || path.startsWith(`${one}/`)))
    .flatMap((path) => read(path, path.slice(folder.length + 1)));
}

/** `cmdline` or `environ` of every process that may be read. */
export const processTexts = (file: 'cmdline' | 'environ'): Place[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => read(`/proc/${pid}/${file}`, `${file} of ${pid}`));

function read(path: string, name: string): Place[] {
  try {
    return [{ name, content: readFileSync(path) }];
  } catch {
    return []; // ended, gone, or not ours
  }
}

/** `secret: place`, for every secret that is somewhere. */
export function search(secrets: readonly Secret[], places: readonly Place[]): string[] {
  return places.flatMap(({ name, content }) => {
    const text = content.toString('latin1');
    return secrets
      .filter(({ needles }) => needles.some((needle) => text.includes(needle)))
      .map((secret) => `${secret.name}: ${name}`);
  });
}
