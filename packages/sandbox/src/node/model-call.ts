import type { NodeModel } from './node-models.ts';
import { coded, type NodeRefusal } from './node-refusals.ts';

/** A request for a model's answer whose model and price are known. */
export type ModelCall = {
  /** Without the leading slash. */
  readonly path: string;
  readonly model: NodeModel;
  readonly body: Readonly<Record<string, unknown>>;
  readonly reserveMsat: number;
};

/** The node can't say what an answer cost. */
export const noPrice = (): NodeRefusal =>
  coded(400, {
    message: 'Pricing not available for this model',
    type: 'invalid_request_error',
    code: 'pricing_error',
  });
