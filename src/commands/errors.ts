import { usageOf } from './registry.ts';
import { type Command, RefusalError, UsageError } from './types.ts';

/** Bad input gets one clear line and an example, a refusal its reason; anything else is our fault, is logged, and loses nothing. */
export function describeCommandError(command: Command, cause: unknown): string {
  if (cause instanceof UsageError) {
    const [example] = command.examples;
    return `${cause.problem}\nExpected: ${usageOf(command)}. Example: ${example}`;
  }
  if (cause instanceof RefusalError) return cause.reason;
  return `!${command.path} did not work, through a fault of the bot (it is in its log). Nothing was changed. Try it again, or see !status.`;
}

/** A member asked for what only admins may do. */
export const describeForbidden = (command: Command): string =>
  `${usageOf(command)} is for admins. !help shows what you can use; !owners shows who is admin.`;
