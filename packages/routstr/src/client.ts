// What a program needs that calls a node itself, and has its models and its refusals read. Light: no meter, no wallet.
export { createCompletion } from './meter/completion.ts';
export { createEventSplitter, eventData } from './meter/event-stream.ts';
export { judge, type Verdict } from './meter/refusals.ts';
export { createAbilitySource } from './models/ability.ts';
export { chooseModels } from './models/choose-models.ts';
export { createModelCache } from './models/model-cache.ts';
export { cheapestSmallModel, opencodeModel, type UsableModel, usableModels } from './models/usable-models.ts';
export { createNodeClient } from './node/node-client.ts';
export { type NodeUrl, NodeUrlError, parseNodeUrl } from './node/node-url.ts';
