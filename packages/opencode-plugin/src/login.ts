import { createWalletCaller } from '@nostr-dm-agent/cashu-wallet/remote';
import { parseSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { isTokenLike, tokensIn } from '@nostr-dm-agent/kit/token-text';
import { createNodeClient, type NodeUrl, parseNodeUrl } from '@nostr-dm-agent/routstr/client';
import type {
  KeyFacts,
  KeyInvoice,
  KeyPayment,
  MadeKey,
  ToppedUp,
  WalletSession,
} from '@nostr-dm-agent/routstr/remote';
import type { AuthHook } from '@opencode-ai/plugin';
import { keepNode, readNode } from './own-files.ts';
import { defaultNode, modelsOf, providerId } from './provider.ts';
import { qrFor, type TerminalQr } from './qr.ts';
import {
  depositText,
  fromMint,
  fromWallet,
  invoiceText,
  newMintText,
  newsText,
  newWalletText,
  prompts,
} from './sentences/login-sentences.ts';
import { refusalText } from './sentences/refusal-sentences.ts';
import { SayError, sentenceOf, silent, type WalletAccess } from './wallet-access.ts';

type Method = Extract<AuthHook['methods'][number], { type: 'oauth' }>;
type Result = Awaited<ReturnType<Method['authorize']>>;
type Inputs = Readonly<Record<string, string>> | undefined;

/** For a mint and a node that answer; what takes longer goes on, and is told at the next start. */
const patienceMs = 180_000;
/** As long as an invoice can be paid. */
const invoicePatienceMs = 3_600_000;

/**
 * The ways to log in. All are of opencode's type `oauth`: what is typed for one of type `api`, a token too, opencode
 * keeps in clear in its `auth.json`.
 */
export function loginMethods(access: WalletAccess): AuthHook['methods'] {
  const standard = (): string => readNode(access.home()) ?? defaultNode;
  const node = {
    type: 'text' as const,
    key: 'node',
    message: prompts.node(standard()),
    placeholder: standard(),
    validate: (text: string) => (nodeIn(text, standard()) === undefined ? prompts.badNode : undefined),
  };
  const amount = {
    type: 'text' as const,
    key: 'amount',
    message: prompts.amount,
    placeholder: '10,000',
    validate: (text: string) => (parseSat(text) === undefined ? prompts.badAmount : undefined),
  };
  const token = {
    type: 'text' as const,
    key: 'token',
    message: prompts.tokenText,
    validate: (text: string) => (tokenIn(text) === undefined ? prompts.badToken : undefined),
  };
  const method = (label: string, extra: typeof amount | typeof token, begin: Begin): Method => ({
    type: 'oauth',
    label,
    prompts: [node, extra],
    authorize: (inputs) => spoken(async () => begin(access, needNode(inputs, standard()), inputs)),
  });
  return [
    method(prompts.token, token, byToken),
    method(prompts.wallet, amount, fromTheWallet),
    method(prompts.invoice, amount, byInvoice),
  ];
}

type Begin = (access: WalletAccess, node: NodeUrl, inputs: Inputs) => Promise<Result>;

const byToken: Begin = async (access, node, inputs) => {
  const token = tokenIn(inputs?.token ?? '');
  if (token === undefined) throw new SayError(prompts.badToken);
  const session = await access.open();
  const signal = AbortSignal.timeout(patienceMs);
  const preview = await session.decode(token, signal);
  const lines = [...(await opening(access, session, signal))];
  if (!preview.accepted && (await listsMint(node, preview.mint, signal))) {
    const { home, wallet } = access.place();
    await createWalletCaller({ home, wallet }, silent)(
      { command: 'mints', args: { add: preview.mint } },
      signal,
    );
    lines.push(newMintText(preview.mint));
  }
  const known = await keptKey(session, node, signal);
  lines.push(depositText({ amount: preview.amount, from: fromMint(preview.mint), node, known }));
  return waiting(lines, () => pay(access, session, node, { from: 'token', token }, known, signal));
};

const fromTheWallet: Begin = async (access, node, inputs) => {
  const amount = amountOf(inputs);
  const session = await access.open();
  const signal = AbortSignal.timeout(patienceMs);
  const lines = [...(await opening(access, session, signal))];
  const known = await keptKey(session, node, signal);
  lines.push(depositText({ amount, from: fromWallet, node, known }));
  return waiting(lines, () => pay(access, session, node, { from: 'wallet', amount }, known, signal));
};

const byInvoice: Begin = async (access, node, inputs) => {
  const amount = amountOf(inputs);
  const session = await access.open();
  const signal = AbortSignal.timeout(invoicePatienceMs);
  const lines = [...(await opening(access, session, signal))];
  const open = await session.keys('open', signal);
  const earlier = open.find(
    (key) => key.node === node && key.state === 'waiting' && key.invoice?.amount === amount,
  );
  const known = await keptKey(session, node, signal);
  const { promise: shown, resolve } = Promise.withResolvers<KeyInvoice>();
  const done =
    earlier === undefined
      ? pay(access, session, node, { from: 'invoice', amount }, known, signal, resolve)
      : finish(access, session, node, await session.waitForKey(earlier.id, signal, { onInvoice: resolve }));
  // Whoever waits for it hears of it; a refusal comes before there is an invoice.
  done.catch(() => undefined);
  if (earlier?.invoice !== undefined) resolve(earlier.invoice);
  const invoice = await Promise.race([shown, done.then(() => undefined)]);
  if (invoice === undefined) return waiting(lines, () => done);
  lines.push(
    invoiceText(invoice, {
      node,
      qr: await qrOf(invoice),
      colours: onTerminal(),
      again: earlier !== undefined,
    }),
  );
  return waiting(lines, () => done);
};

type Success = { type: 'success'; provider: string; key: string; metadata: Record<string, string> };

/** Makes a key, or puts it on the one that there is: a second one would only hold money apart. */
async function pay(
  access: WalletAccess,
  session: WalletSession,
  node: NodeUrl,
  payment: KeyPayment,
  known: KeyFacts | undefined,
  signal: AbortSignal,
  onInvoice?: (invoice: KeyInvoice) => void,
): Promise<Success> {
  const waitingFor = onInvoice === undefined ? undefined : { onInvoice };
  const made =
    known === undefined
      ? await session.makeKey({ ...payment, node }, signal, waitingFor)
      : await session.topUpKey(known.id, payment, signal, waitingFor);
  return finish(access, session, node, made);
}

async function finish(
  access: WalletAccess,
  session: WalletSession,
  node: NodeUrl,
  made: Exclude<MadeKey | ToppedUp, { state: 'unpaid' }>,
): Promise<Success> {
  if (made.state === 'refused') throw new SayError(refusalText(made.refusal, made.money));
  const key =
    made.state === 'made'
      ? made.secret
      : await session.keySecret(made.key.id, AbortSignal.timeout(patienceMs));
  if (key === undefined) throw new SayError('The key is no longer in the books of this wallet.');
  keepNode(access.home(), node);
  // So that they are there when opencode is started.
  await modelsOf(access.home(), node);
  return { type: 'success', provider: providerId, key, metadata: { node } };
}

/** What a person is to know first: what became of earlier things, and that there is a wallet now. */
async function opening(
  access: WalletAccess,
  session: WalletSession,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { isNew, wordsIn } = access.place();
  const news = await session.news(signal);
  return [...news.map(newsText), ...(isNew ? [newWalletText(wordsIn)] : [])];
}

/** The key that there is at this node, if it can be used. */
async function keptKey(
  session: WalletSession,
  node: NodeUrl,
  signal: AbortSignal,
): Promise<KeyFacts | undefined> {
  const keys = await session.keys('open', signal);
  const kept = keys.filter((key) => key.node === node && key.state === 'kept').at(-1);
  if (kept === undefined) return undefined;
  const { seen } = (await session.keyInfo(kept.id, signal)) ?? { seen: { state: 'none' as const } };
  return seen.state === 'known' ? kept : undefined;
}

async function listsMint(node: NodeUrl, mint: string, signal: AbortSignal): Promise<boolean> {
  const plain = (url: string): string => url.replace(/\/+$/, '');
  const info = await createNodeClient(node).nodeInfo(signal);
  return info.state === 'ok' && info.value.mints.some((listed) => plain(listed) === plain(mint));
}

/** opencode shows the lines, then waits for `work`. */
const waiting = (lines: readonly string[], work: () => Promise<Success>): Result => ({
  url: '',
  instructions: lines
    .flatMap((line) => line.split('\n'))
    .map(fitted)
    .join('\n'),
  method: 'auto',
  callback: () => spoken(work),
});

/** Broken between words, as opencode does not. A code and an invoice stay in one piece. */
function fitted(line: string): string {
  if (/[\u2580-\u259f\u{1fb00}-\u{1fb3b}]/u.test(line)) return line;
  const width = (process.stdout.columns || 80) - frameColumns;
  const lines: string[] = [];
  for (const word of line.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || Bun.stringWidth(`${last} ${word}`) > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join('\n');
}

/** opencode shows the message of what is thrown, and nothing else. */
async function spoken<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(sentenceOf(error), { cause: error });
  }
}

const tokenIn = (text: string): string | undefined => {
  const [token] = tokensIn(text);
  return token !== undefined && isTokenLike(token) ? token : undefined;
};

const amountOf = (inputs: Inputs): Sat => {
  const amount = parseSat(inputs?.amount ?? '');
  if (amount === undefined) throw new SayError(prompts.badAmount);
  return amount;
};

const needNode = (inputs: Inputs, standard: string): NodeUrl => {
  const node = nodeIn(inputs?.node ?? '', standard);
  if (node === undefined) throw new SayError(prompts.badNode);
  return node;
};

/** A key travels with every request: unencrypted only to this computer, or through Tor. */
function nodeIn(text: string, standard: string): NodeUrl | undefined {
  try {
    const node = parseNodeUrl(text.trim() === '' ? standard : text);
    const { protocol, hostname } = new URL(node);
    const near = ['localhost', '127.0.0.1', '[::1]'].includes(hostname) || hostname.endsWith('.onion');
    return protocol === 'https:' || near ? node : undefined;
  } catch {
    return undefined;
  }
}

/** What opencode draws before each line. */
const frameColumns = 3;

/** In opencode's own screen its dialog shows the text; only a terminal can show a code. */
const onTerminal = (): boolean => Bun.isMainThread && process.stdout.isTTY === true;

async function qrOf(invoice: KeyInvoice): Promise<TerminalQr | undefined> {
  if (!onTerminal()) return undefined;
  const { columns, rows } = process.stdout;
  return qrFor(invoice.invoice.toUpperCase(), {
    columns: (columns || 80) - frameColumns,
    rows: (rows || 24) - 3,
  });
}
