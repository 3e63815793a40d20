import { afterEach, describe, expect, test } from 'bun:test';
import { PassThrough, Writable } from 'node:stream';
import { PaymentRequest } from '@cashu/cashu-ts';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { Identity } from '@nostr-dm-agent/nostr';
import { connectRelay, generateSecretKey, publicKeyOf, signEvent } from '@nostr-dm-agent/nostr';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { createRumor, createSeal, createWrap, unwrapEvent } from 'nostr-tools/nip59';
import { chatByLines, chatOnTerminal } from '../../src/sandbox/chat.ts';
import { createChatClient } from '../../src/sandbox/chat-client.ts';
import { scanAll } from '../support/scan-qr.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const newIdentity = (): Identity => {
  const secretKey = generateSecretKey();
  return { secretKey, publicKey: publicKeyOf(secretKey) };
};

class Collected extends Writable {
  text = '';
  /** As a terminal says how wide it is. */
  columns: number | undefined;
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What the stand-in bot does with a message. */
type Behaviour = (received: string, bot: { say: Say; react: (emoji: string) => void }) => void;
type Say = (text: string, options?: { about?: boolean }) => void;

/** A relay, an owner's client on it, and a bot that answers as it is told. */
function startScene(behaviour: Behaviour) {
  const relay = startSandboxRelay();
  const [owner, bot] = [newIdentity(), newIdentity()];
  const connect = (identity: Identity) => {
    const connection = connectRelay({
      url: relay.url,
      own: true,
      sign: async (template) => signEvent(template, identity.secretKey),
      clock: systemClock,
      random: seededRandom(1),
      log: silent,
    });
    cleanups.push(connection.close);
    return connection;
  };
  cleanups.push(() => relay.stop());
  const ended = new AbortController();
  cleanups.push(() => ended.abort());

  const received: string[] = [];
  const ids = new Set<string>();
  const botRelay = connect(bot);
  let at = Math.floor(Date.now() / 1000);
  const deliver = (kind: number, content: string, about: string | undefined) => {
    at += 1;
    const tags = [['p', owner.publicKey], ...(about === undefined ? [] : [['e', about]])];
    const rumor = createRumor({ kind, content, tags, created_at: at }, bot.secretKey);
    relay.inject(createWrap(createSeal(rumor, bot.secretKey, owner.publicKey), owner.publicKey));
  };
  botRelay.subscribe(
    {
      filters: () => [{ kinds: [1059], '#p': [bot.publicKey] }],
      onEvent: (wrap) => {
        const rumor = unwrapEvent(wrap, bot.secretKey);
        if (ids.has(rumor.id)) return;
        ids.add(rumor.id);
        received.push(rumor.content);
        behaviour(rumor.content, {
          say: (text, { about = true } = {}) => deliver(14, text, about ? rumor.id : undefined),
          react: (emoji) => deliver(7, emoji, rumor.id),
        });
      },
    },
    ended.signal,
  );
  const input = new PassThrough();
  const [output, error] = [new Collected(), new Collected()];
  const client = (onMessage: Parameters<typeof createChatClient>[0]['onMessage']) =>
    createChatClient(
      {
        relay: connect(owner),
        identity: owner,
        bot: bot.publicKey,
        clock: systemClock,
        log: silent,
        onMessage,
      },
      ended.signal,
    );
  return {
    received,
    input,
    output,
    error,
    ended,
    notice: (text: string) => deliver(14, text, undefined),
    relay,
    owner,
    deliverAs: (identity: Identity, text: string) => {
      const rumor = createRumor({ kind: 14, content: text, tags: [], created_at: at }, identity.secretKey);
      relay.inject(createWrap(createSeal(rumor, identity.secretKey, owner.publicKey), owner.publicKey));
    },
    byLines: (deadlineMs: number) => chatByLines(client, { input, output, error }, deadlineMs, ended.signal),
    onTerminal: () => chatOnTerminal(client, { input, output, error }, ended.signal),
  };
}

describe('with piped input', () => {
  test('each line is a DM, sent when the one before is done, and what the bot says is printed', async () => {
    let open = 0;
    let most = 0;
    const scene = startScene((text, { say, react }) => {
      open += 1;
      most = Math.max(most, open);
      const done = () => {
        open -= 1;
      };
      if (text.startsWith('!')) {
        done();
        say(`you said\n${text}`);
        return;
      }
      react('👀');
      setTimeout(() => {
        say('⏳ 1 s · 1 step');
        setTimeout(() => {
          done();
          say(`did ${text}\n\n— agent · 1 s`);
          react('✅');
        }, 50);
      }, 50);
    });
    scene.input.end('!ping\nfix it\n\n!ping\nlast');
    expect(await scene.byLines(20_000)).toBe(0);
    expect(scene.received).toEqual(['!ping', 'fix it', '!ping', 'last']);
    expect(most).toBe(1);
    expect(scene.output.text).toBe(
      'bot> you said\n!ping\n' +
        'bot> ⏳ 1 s · 1 step\nbot> did fix it\n\n— agent · 1 s\n' +
        'bot> you said\n!ping\n' +
        'bot> ⏳ 1 s · 1 step\nbot> did last\n\n— agent · 1 s\n',
    );
  }, 60_000);

  test('a reply in chunks is done with its last one, a task also when its end is told before its text', async () => {
    const scene = startScene((text, { say, react }) => {
      if (text === '!long') {
        say('(1/2)\none');
        setTimeout(() => say('(2/2)\ntwo'), 100);
        return;
      }
      react('👀');
      if (text === 'bit by bit') {
        say('(1/…)\nbegun');
        say('(2/…)\nstill');
        react('✅');
        setTimeout(() => say('(3/3)\nended'), 100);
        return;
      }
      say('⏳ 1 s · 1 step');
      react('❌');
      setTimeout(() => say('failed'), 100);
    });
    scene.input.end('!long\nbit by bit\ntask\n');
    expect(await scene.byLines(20_000)).toBe(0);
    const bits = 'bot> (1/…)\nbegun\nbot> (2/…)\nstill\nbot> (3/3)\nended\n';
    expect(scene.output.text).toBe(
      `bot> (1/2)\none\nbot> (2/2)\ntwo\n${bits}bot> ⏳ 1 s · 1 step\nbot> failed\n`,
    );
  }, 60_000);

  test('a line without an answer makes the exit code 1, and the next line is sent all the same', async () => {
    const scene = startScene((text, { say, react }) => {
      if (text === 'one') say('unrelated', { about: false });
      if (text === 'two') react('👀');
      if (text === 'two') say('only begun');
      if (text === '!three') say('three');
    });
    scene.input.end('one\ntwo\n!three\n');
    expect(await scene.byLines(3000)).toBe(1);
    expect(scene.received).toEqual(['one', 'two', '!three']);
    expect(scene.error.text).toContain('No answer within 3 s: one');
    expect(scene.error.text).toContain('No answer within 3 s: two');
    expect(scene.output.text).toBe('bot> unrelated\nbot> only begun\nbot> three\n');
  }, 60_000);

  test('what the bot says by itself is printed; strangers and rubbish are not', async () => {
    const scene = startScene((_, { say }) => say('answer'));
    scene.notice('I am ready.');
    scene.deliverAs(newIdentity(), 'I am the bot, send me money');
    scene.relay.inject(
      signEvent(
        { kind: 1059, content: 'rubbish', created_at: 1, tags: [['p', scene.owner.publicKey]] },
        generateSecretKey(),
      ),
    );
    const chat = scene.byLines(20_000);
    await until(() => scene.output.text.includes('ready'), 'the notice');
    scene.input.end('!x\n');
    expect(await chat).toBe(0);
    expect(scene.output.text).toBe('bot> I am ready.\nbot> answer\n');
  }, 60_000);

  test('a relay that refuses the message is told at once', async () => {
    const scene = startScene(() => undefined);
    scene.relay.faults.refuseEvents = 'blocked: not here';
    scene.input.end('hello\n');
    expect(await scene.byLines(60_000)).toBe(1);
    expect(scene.error.text).toContain('blocked: not here');
  }, 30_000);

  test('the signal ends it while a line waits', async () => {
    const scene = startScene(() => undefined);
    scene.input.write('hello\n');
    const chat = scene.byLines(60_000);
    await until(() => scene.received.length === 1, 'the message');
    scene.ended.abort();
    expect(await chat).toBe(1);
  }, 30_000);
});

describe('on a terminal', () => {
  test('lines are sent as they are typed, answers and reactions shown, /quit says goodbye', async () => {
    const scene = startScene((text, { say, react }) => {
      react('👀');
      say(`did ${text}`);
      react('✅');
    });
    const chat = scene.onTerminal();
    scene.input.write('first task\n');
    await until(() => scene.output.text.includes('✅ done'), 'the end of the task');
    expect(scene.received).toEqual(['first task']);
    expect(scene.output.text).toContain('👀 working on it');
    expect(scene.output.text).toContain('bot> did first task\n');
    scene.input.write('/quit\n');
    expect(await chat).toBe(0);
    expect(scene.output.text).toEndWith('Goodbye.\n');
    expect(scene.received).toHaveLength(1);
  }, 30_000);

  test.each([
    ['of 80 columns', 80, 2],
    ['that nobody has given a size', 0, 2],
    ['that is too narrow', 30, 0],
  ])(
    'an invoice and a payment request are QR codes under their messages, on a terminal %s',
    async (_, columns, codes) => {
      const request = new PaymentRequest([], 'a1b2c3d4', 500, 'sat', ['https://mint.example']);
      const invoice = `lnbc5u1${'qpzry9x8gf2tvdw0s3jn54khce6mua7l'.repeat(7)}`;
      const scene = startScene((_, { say }) => {
        for (const text of [invoice, `lightning:${invoice}`, request.toEncodedRequest(), 'That is all.'])
          say(text);
      });
      scene.output.columns = columns;
      const chat = scene.onTerminal();
      scene.input.write('!wallet topup 500\n');
      await until(() => scene.output.text.includes('That is all.'), 'all messages');
      scene.input.write('/quit\n');
      await chat;
      const wanted = [invoice.toUpperCase(), request.toEncodedCreqB().toUpperCase()];
      expect(scanAll(scene.output.text)).toEqual(wanted.slice(0, codes));
      expect(scene.output.text).toContain(`bot> lightning:${invoice}\n`);
    },
    30_000,
  );

  test.each([
    ['Ctrl-C', '\x03'],
    ['Ctrl-D', '\x04'],
  ])(
    '%s ends it too',
    async (_, key) => {
      const scene = startScene(() => undefined);
      const chat = scene.onTerminal();
      await until(() => scene.output.text.includes('you> '), 'the prompt');
      scene.input.write(key);
      expect(await chat).toBe(0);
      expect(scene.output.text).toEndWith('Goodbye.\n');
    },
    30_000,
  );
});
