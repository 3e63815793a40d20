import { plugin } from 'bun';

// `@nostr-relay/common` requires this path of @noble/hashes 1.x without declaring the dependency, and what is
// installed beside it is 2.x, which no longer has it. To be imported before `@nostr-relay/common`.
plugin({
  name: 'the sha256 of @noble/hashes 1.x',
  setup: (build) => {
    build.module('@noble/hashes/sha256', () => ({
      loader: 'object',
      exports: {
        sha256: (bytes: Uint8Array) => new Uint8Array(new Bun.CryptoHasher('sha256').update(bytes).digest()),
      },
    }));
  },
});
