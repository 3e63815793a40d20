export { createRelayStore } from './relay-store.ts';
export { type SandboxRelay, type SandboxRelayOptions, startSandboxRelay } from './sandbox-relay.ts';
