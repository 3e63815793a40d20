/** A model as opencode's server wants it named; nothing where none is asked for. */
export const modelOf = (model: string | undefined) => {
  const slash = model?.indexOf('/') ?? -1;
  return model === undefined || slash < 1
    ? {}
    : { model: { providerID: model.slice(0, slash), modelID: model.slice(slash + 1) } };
};
