import { z } from 'zod';

/** Of what an agent says (ACP `session/update`, `session/request_permission`), the part that is used. */
const text = z.object({ type: z.literal('text'), text: z.string() });
const content = z
  .array(
    z
      .object({
        type: z.literal('diff'),
        path: z.string(),
        oldText: z.string().nullish(),
        newText: z.string(),
      })
      .or(z.looseObject({ type: z.string() })),
  )
  .nullish()
  .catch(undefined);
const tool = {
  toolCallId: z.string(),
  title: z.string().nullish(),
  kind: z.string().nullish(),
  status: z.string().nullish(),
  rawInput: z.unknown().optional(),
  content,
  locations: z
    .array(z.object({ path: z.string() }))
    .nullish()
    .catch(undefined),
};

export const acpUpdate = z.discriminatedUnion('sessionUpdate', [
  z.object({
    sessionUpdate: z.literal('agent_message_chunk'),
    content: text.or(z.looseObject({ type: z.string() })),
  }),
  z.object({ sessionUpdate: z.literal('tool_call'), ...tool }),
  z.object({ sessionUpdate: z.literal('tool_call_update'), ...tool }),
  z.object({
    sessionUpdate: z.literal('plan'),
    entries: z.array(z.object({ content: z.string(), status: z.string() })),
  }),
  z.object({ sessionUpdate: z.literal('usage_update'), used: z.number(), size: z.number().nullish() }),
  ...(
    [
      'user_message_chunk',
      'agent_thought_chunk',
      'available_commands_update',
      'current_mode_update',
      'config_option_update',
      'session_info_update',
      'notice',
      'compaction_update',
      'compaction_summary_chunk',
    ] as const
  ).map((name) => z.object({ sessionUpdate: z.literal(name) })),
]);
export type AcpUpdate = z.output<typeof acpUpdate>;

export const permissionAsk = z.object({
  toolCall: z.object(tool),
  options: z.array(z.object({ optionId: z.string(), kind: z.string(), name: z.string() })),
});
export type PermissionAsk = z.output<typeof permissionAsk>;
