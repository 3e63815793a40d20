export { type SandboxModel, startModel } from './model.ts';
