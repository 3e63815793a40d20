export { nodeUserAgent } from './mint-request.ts';
export { sandboxModels } from './node-models.ts';
export type { Upstream } from './node-types.ts';
export {
  type NodeFault,
  type Profile,
  type SandboxNode,
  type SandboxNodeOptions,
  startSandboxNode,
} from './sandbox-node.ts';
