export { encodeInvoice } from './bolt11.ts';
export {
  createSandboxNetwork,
  type Fault,
  type SandboxMint,
  type SandboxMintOptions,
  startSandboxMint,
} from './sandbox-mint.ts';
