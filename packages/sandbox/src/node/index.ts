export { sandboxModels } from './models.ts';
export {
  type NodeFault,
  type Profile,
  type SandboxNode,
  type SandboxNodeOptions,
  startSandboxNode,
} from './node.ts';
export type { Upstream } from './types.ts';
export { nodeUserAgent } from './wallet.ts';
