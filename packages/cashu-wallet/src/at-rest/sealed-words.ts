/*
 * The words of the wallet, kept in a file that a passphrase or the system's keyring opens. `CASHU_MNEMONIC` names the file
 * then (`sealed:<fingerprint>`). What seals the database follows from the words: there is no other key to lose.
 */
import { hkdfSync, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readFileIfThere, syncToDisk, writeFileAtomically } from '@nostr-dm-agent/kit/files';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { passphraseCostShape, passphraseKey } from '@nostr-dm-agent/kit/passphrase-key';
import { z } from 'zod';
import { readMnemonic } from '../crypto/seed.ts';
import { openOnce, sealOnce } from './aead.ts';
import type { Keyring } from './keyring.ts';

export type SealedWordsProblem =
  | 'missing' // there is no such file
  | 'damaged' // it is there, and not as this program writes it
  | 'no_passphrase' // nobody gave one
  | 'wrong_passphrase'
  | 'no_keyring' // the system has none, or it does not answer
  | 'not_in_keyring';

/** The words can't be had. Nothing was changed. */
export class SealedWordsError extends Error {
  override readonly name = 'SealedWordsError';
  readonly file: string;
  readonly problem: SealedWordsProblem;
  constructor(file: string, problem: SealedWordsProblem, cause?: unknown) {
    super(`the words in ${file} can't be opened: ${problem}`, { cause });
    this.file = file;
    this.problem = problem;
  }
}

/** What opens the words. */
export type WordsKey =
  | { readonly kind: 'passphrase'; readonly passphrase: string }
  | { readonly kind: 'keyring' };

/** `CASHU_MNEMONIC` of a wallet whose words are sealed. */
export const sealedReference = (fingerprint: string): string => `sealed:${fingerprint}`;
/** The wallet that such a text names; undefined: it is none. */
export const referredWallet = (text: string): string | undefined =>
  /^sealed:([0-9a-f]{16})$/i.exec(text.trim())?.[1]?.toLowerCase();

export const sealedWordsFile = (directory: string, fingerprint: string): string =>
  join(directory, `${fingerprint}.words`);

const base64 = z.base64().transform((text) => Buffer.from(text, 'base64'));
const fileSchema = z.object({
  version: z.literal(1),
  wallet: z.string(),
  opensWith: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('passphrase'), ...passphraseCostShape, salt: base64 }),
    z.object({ kind: z.literal('keyring'), entry: z.string() }),
  ]),
  sealed: base64,
});
type WordsFile = z.infer<typeof fileSchema>;

/** 64 MiB and a quarter of a second or so. */
const cost = { n: 1 << 16, r: 8, p: 2 };

/**
 * Seals the words into their file, at once or not at all; one that is there is replaced. Looks whether they can be had back
 * before anything is replaced.
 *
 * @returns to take away what opened the file before, once nothing needs it any more
 * @throws SealedWordsError `no_keyring`
 */
export async function sealWords(
  directory: string,
  words: string,
  key: WordsKey,
  keyring: Keyring,
): Promise<{ readonly file: string; readonly forgetOld: () => Promise<void> }> {
  const { fingerprint } = readMnemonic(words);
  const file = sealedWordsFile(directory, fingerprint);
  const before = readWordsFile(directory, fingerprint);
  const opensWith =
    key.kind === 'passphrase'
      ? { kind: 'passphrase' as const, ...cost, salt: randomBytes(16) }
      : { kind: 'keyring' as const, entry: await newEntry(keyring, file, fingerprint) };
  // Of a new salt, or a new entry: it seals nothing but this.
  const secret = await secretFor(opensWith, key, keyring, file);
  const sealed = sealOnce(secret, boundTo(fingerprint), words);
  const content = { version: 1 as const, wallet: fingerprint, opensWith, sealed };
  if (openContent(content, secret) !== words) throw new SealedWordsError(file, 'damaged');
  writeFileAtomically(file, textOf(content), 0o600);
  return { file, forgetOld: () => forgetEntry(before, keyring) };
}

/** The words. @throws SealedWordsError */
export async function openWords(
  directory: string,
  fingerprint: string,
  ask: { readonly passphrase: () => Promise<string | undefined>; readonly keyring: Keyring },
): Promise<string> {
  const file = sealedWordsFile(directory, fingerprint);
  const content = readWordsFile(directory, fingerprint);
  if (content === undefined) throw new SealedWordsError(file, 'missing');
  if (content === 'damaged') throw new SealedWordsError(file, 'damaged');
  let key: WordsKey = { kind: 'keyring' };
  if (content.opensWith.kind === 'passphrase') {
    const passphrase = await ask.passphrase();
    if (passphrase === undefined) throw new SealedWordsError(file, 'no_passphrase');
    key = { kind: 'passphrase', passphrase };
  }
  const words = openContent(content, await secretFor(content.opensWith, key, ask.keyring, file));
  if (words !== undefined && readMnemonic(words).fingerprint === fingerprint) return words;
  throw new SealedWordsError(file, key.kind === 'passphrase' ? 'wrong_passphrase' : 'not_in_keyring');
}

/** What a wallet's words are opened with; undefined: they are not sealed, or the file is not to be read. */
export function wordsOpenWith(directory: string, fingerprint: string): WordsKey['kind'] | undefined {
  const content = readWordsFile(directory, fingerprint);
  return content === undefined || content === 'damaged' ? undefined : content.opensWith.kind;
}

/** Takes the file away, and its entry in the keyring. */
export async function removeSealedWords(
  directory: string,
  fingerprint: string,
  keyring: Keyring,
): Promise<void> {
  const content = readWordsFile(directory, fingerprint);
  if (content === undefined) return;
  rmSync(sealedWordsFile(directory, fingerprint), { force: true });
  syncToDisk(directory);
  await forgetEntry(content, keyring);
}

function readWordsFile(directory: string, fingerprint: string): WordsFile | 'damaged' | undefined {
  const text = readFileIfThere(sealedWordsFile(directory, fingerprint));
  if (text === undefined) return undefined;
  const content = fileSchema.safeParse(parseJson(text)).data;
  return content?.wallet === fingerprint ? content : 'damaged';
}

function textOf({ opensWith, sealed, ...rest }: WordsFile): string {
  const how =
    opensWith.kind === 'passphrase' ? { ...opensWith, salt: opensWith.salt.toString('base64') } : opensWith;
  return `${JSON.stringify({ ...rest, opensWith: how, sealed: sealed.toString('base64') })}\n`;
}

const boundTo = (fingerprint: string): string => `cashu wallet words ${fingerprint}`;

const openContent = ({ wallet, sealed }: WordsFile, secret: Uint8Array): string | undefined =>
  openOnce(secret, boundTo(wallet), sealed);

async function secretFor(
  how: WordsFile['opensWith'],
  key: WordsKey,
  keyring: Keyring,
  file: string,
): Promise<Uint8Array> {
  if (how.kind === 'passphrase') {
    if (key.kind !== 'passphrase') throw new SealedWordsError(file, 'no_passphrase');
    return passphraseKey(key.passphrase, how.salt, how);
  }
  const secret = await inKeyring(file, () => keyring.read(how.entry));
  if (secret === undefined) throw new SealedWordsError(file, 'not_in_keyring');
  return Buffer.from(hkdfSync('sha256', secret, '', 'nostr-dm-agent: cashu wallet words, keyring', 32));
}

/** A name of its own each time: the entry of the file that is there stays until it is replaced. */
async function newEntry(keyring: Keyring, file: string, fingerprint: string): Promise<string> {
  const entry = `cashu-wallet-${fingerprint}-${randomBytes(4).toString('hex')}`;
  await inKeyring(file, () => keyring.write(entry, randomBytes(32).toString('hex')));
  return entry;
}

async function forgetEntry(content: WordsFile | 'damaged' | undefined, keyring: Keyring): Promise<void> {
  if (content === undefined || content === 'damaged' || content.opensWith.kind !== 'keyring') return;
  // Worth nothing without the file. A keyring that is locked now keeps it.
  await keyring.remove(content.opensWith.entry).catch(() => undefined);
}

async function inKeyring<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new SealedWordsError(file, 'no_keyring', cause);
  }
}
