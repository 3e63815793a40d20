import type { Pause, Trigger } from '../schedules/schedule.ts';
import { formatAgo, shorten } from './format.ts';
import { ownerName } from './owner-name.ts';
import { cannotRun } from './schedule-replies.ts';

const nameOf = ({ publicKey }: Trigger): string => `Trigger ${ownerName(publicKey)}`;

export const noSuchTask = (trigger: Trigger, name: string): string =>
  `${nameOf(trigger)} asked for “${shorten(name, 40)}”, and there is no such task: nothing was run. !task ${shorten(name, 40)} = <what to do> makes one, !owners remove stops listening to it.`;

export const taskWaits = (trigger: Trigger, name: string): string =>
  `${nameOf(trigger)} asks for ${name} faster than it is done: some were left out. !queue shows what waits, !schedule lists the task.`;

export const taskPaused = (trigger: Trigger, name: string, id: number, why: Pause): string =>
  `${nameOf(trigger)} asked for ${name}: nothing was run. ${cannotRun(id, why)}`;

export const askedTooLate = (trigger: Trigger, name: string, ago: number, text: string): string =>
  `${nameOf(trigger)} asked for ${name} ${formatAgo(ago)}, while I was off${text === '' ? '' : ` (“${shorten(text, 60)}”)`}: nothing was run. !task run ${name} does it now.`;
