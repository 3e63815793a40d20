import { z } from 'zod';
import { yOf } from './blind-signature.ts';
import type { Keysets, MintKeyset } from './keysets.ts';
import type { Lightning } from './lightning.ts';
import type { Ledger } from './mint-ledger.ts';
import { type MintRefusal, refusal } from './mint-refusals.ts';
import * as wire from './mint-wire.ts';

export type RouteParts = {
  readonly keysets: Keysets;
  readonly ledger: Ledger;
  readonly lightning: Lightning;
  readonly info: () => unknown;
  readonly onSpent: (ys: readonly string[]) => void;
};

/** Endpoints whose answers NUT-19 caches. */
export const cachedPaths: readonly string[] = ['/v1/swap', '/v1/mint/bolt11', '/v1/melt/bolt11'];

/** Answers one request with what goes into the body. @throws MintRefusal, ZodError */
export function createRoutes({ keysets, ledger, lightning, info, onSpent }: RouteParts) {
  const withKeys = (keyset: MintKeyset) => ({ ...withoutKeys(keyset), keys: keyset.publicKeys });
  const withoutKeys = (keyset: MintKeyset) => ({
    id: keyset.id,
    unit: 'sat',
    active: keyset.active,
    input_fee_ppk: keyset.feePpk,
    ...(keyset.finalExpiry === undefined ? {} : { final_expiry: keyset.finalExpiry }),
  });
  const requireSat = (unit: string) => {
    if (unit !== 'sat') throw refusal.unitUnsupported();
  };
  const announce = (inputs: readonly wire.Input[]) => {
    onSpent(inputs.map((input) => yOf(input.secret)));
  };

  const get: Readonly<Record<string, () => unknown>> = {
    '/v1/info': info,
    '/v1/keys': () => ({
      keysets: keysets
        .all()
        .filter((k) => k.active)
        .map(withKeys),
    }),
    // Inactive keysets are listed without keys: a wallet asks for them one by one.
    '/v1/keysets': () => ({ keysets: keysets.all().map(withoutKeys) }),
  };
  const post: Readonly<Record<string, (body: unknown) => unknown>> = {
    '/v1/swap': (body) => {
      const { inputs, outputs } = wire.swapRequest.parse(body);
      const signatures = ledger.swap(inputs, outputs);
      announce(inputs);
      return { signatures };
    },
    '/v1/checkstate': (body) => ({
      states: wire.stateRequest.parse(body).Ys.map((y) => ({ Y: y, ...ledger.stateOf(y) })),
    }),
    '/v1/restore': (body) => ledger.restore(wire.restoreRequest.parse(body).outputs),
    '/v1/mint/quote/bolt11': (body) => {
      const request = wire.mintQuoteRequest.parse(body);
      requireSat(request.unit);
      return lightning.createMintQuote(
        request.amount,
        request.pubkey ?? undefined,
        request.description ?? 'top-up',
      );
    },
    '/v1/mint/bolt11': (body) => {
      const { quote, outputs, signature } = wire.mintRequest.parse(body);
      return { signatures: lightning.mint(quote, outputs, signature ?? undefined) };
    },
    '/v1/melt/quote/bolt11': (body) => {
      const { request, unit, options } = wire.meltQuoteRequest.parse(body);
      requireSat(unit);
      return lightning.createMeltQuote(request, options?.amountless?.amount_msat);
    },
    '/v1/melt/bolt11': (body) => {
      const { quote, inputs, outputs } = wire.meltRequest.parse(body);
      const answer = lightning.melt(quote, inputs, outputs ?? []);
      announce(inputs);
      return answer;
    },
  };
  const getOne: readonly (readonly [prefix: string, read: (id: string) => unknown])[] = [
    ['/v1/keys/', (id) => ({ keysets: [withKeys(keysets.get(id))] })],
    ['/v1/mint/quote/bolt11/', (id) => lightning.mintQuote(id)],
    ['/v1/melt/quote/bolt11/', (id) => lightning.meltQuote(id)],
  ];

  return (method: string, path: string, text: string): unknown => {
    try {
      const route = method === 'POST' ? post[path] : undefined;
      if (route) return route(JSON.parse(text));
      if (method === 'GET') {
        const plain = get[path];
        if (plain) return plain();
        for (const [prefix, read] of getOne)
          if (path.startsWith(prefix)) return read(path.slice(prefix.length));
      }
      return undefined;
    } catch (cause) {
      if (cause instanceof z.ZodError || cause instanceof SyntaxError) {
        throw refusal.badRequest('the request is not as the NUTs define it');
      }
      throw cause;
    }
  };
}

export const refusalResponse = (refused: MintRefusal): Response =>
  Response.json({ code: refused.code, detail: refused.message }, { status: 400 });
