import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Which files below a folder hold one of these texts, in any encoding that a careless program would use. */
export function filesHolding(folder: string, texts: readonly string[]): readonly string[] {
  const forms = texts.flatMap((text) => {
    const bytes = Buffer.from(text);
    return [
      text,
      bytes.toString('hex'),
      bytes.toString('base64').replace(/=+$/, ''),
      bytes.toString('base64url'),
    ];
  });
  return allFiles(folder).filter((path) => {
    const content = readFileSync(path);
    return forms.some((form) => content.includes(form));
  });
}

export function allFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}
