/** The mint's answer to a request it refuses: HTTP 400 with `{code, detail}` (NUT-00). */
export class MintRefusal extends Error {
  override readonly name = 'MintRefusal';
  readonly code: number;
  constructor(code: number, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** Error codes as the NUTs list them. */
export const refusal = {
  badRequest: (detail: string) => new MintRefusal(10000, detail),
  proofInvalid: () => new MintRefusal(10001, 'could not verify proof'),
  proofSpent: () => new MintRefusal(11001, 'Token already spent.'),
  proofPending: () => new MintRefusal(11002, 'Proofs are pending'),
  outputsSigned: () => new MintRefusal(11003, 'Outputs already signed'),
  unbalanced: (detail: string) => new MintRefusal(11005, detail),
  amountOutsideLimits: () => new MintRefusal(11006, 'Amount outside of limit range'),
  duplicateInputs: () => new MintRefusal(11007, 'Duplicate inputs provided'),
  duplicateOutputs: () => new MintRefusal(11008, 'Duplicate outputs provided'),
  unitUnsupported: () => new MintRefusal(11013, 'Unit is not supported'),
  tooManyInputs: () => new MintRefusal(11014, 'Too many inputs'),
  tooManyOutputs: () => new MintRefusal(11015, 'Too many outputs'),
  keysetUnknown: () => new MintRefusal(12001, 'Keyset is not known'),
  keysetInactive: () => new MintRefusal(12002, 'Keyset is inactive, cannot sign messages'),
  keysetEnded: () => new MintRefusal(12003, 'Keyset has expired'),
  witnessMissing: (detail: string) => new MintRefusal(20008, detail),
  quoteUnknown: () => new MintRefusal(20000, 'quote not found'),
  quoteUnpaid: () => new MintRefusal(20001, 'quote not paid'),
  quoteIssued: () => new MintRefusal(20002, 'quote already issued'),
  lightningFailed: () => new MintRefusal(20004, 'Lightning payment failed'),
  quotePending: () => new MintRefusal(20005, 'Quote is pending'),
  invoicePaid: () => new MintRefusal(20006, 'Invoice already paid'),
  quoteExpired: () => new MintRefusal(20007, 'Quote is expired'),
  quoteSignature: () => new MintRefusal(20008, 'Signature for mint request invalid'),
} as const;
