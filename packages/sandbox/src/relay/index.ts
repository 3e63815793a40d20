export { type SandboxRelay, type SandboxRelayOptions, startSandboxRelay } from './relay.ts';
export { createRelayStore } from './store.ts';
