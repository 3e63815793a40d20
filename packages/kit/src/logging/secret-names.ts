const secretEndings =
  /(?:apikey|token|secret|secretkey|privatekey|password|passphrase|mnemonic|seed|authorization|cookie|preimage|nsec|ncryptsec|bearer|xcashu|botkey)$/;

/**
 * Whether something of this name (an object key, a header, an environment variable) holds a secret.
 * `tokens` (a count) is none; `X-API-Key`, `apiKey` and `ROUTSTR_API_KEY` are the same name.
 */
export const isSecretName = (name: string): boolean =>
  secretEndings.test(name.replace(/[^A-Za-z0-9]/g, '').toLowerCase());
