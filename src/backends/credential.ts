import { z } from 'zod';

/** A credential in the shape in which opencode keeps its own. `expires`: Unix milliseconds; 0: it does not run out. */
export const credentialShape = z.discriminatedUnion('type', [
  z.object({ type: z.literal('api'), key: z.string().min(1) }),
  z.object({
    type: z.literal('oauth'),
    access: z.string().min(1),
    refresh: z.string(),
    expires: z.number().min(0),
    accountId: z.string().optional(),
    enterpriseUrl: z.string().optional(),
  }),
]);
export type Credential = z.infer<typeof credentialShape>;
export type OauthCredential = Extract<Credential, { type: 'oauth' }>;
