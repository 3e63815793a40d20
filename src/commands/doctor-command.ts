import { diagnosisText } from '../replies/doctor-replies.ts';
import type { Command } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

/** `!doctor`: what `doctor` on the terminal checks, of the running bot. */
export const doctorCommand = ({ doctor, clock }: Pick<CommandDeps, 'doctor' | 'clock'>): Command => ({
  path: 'doctor',
  family: 'Bot',
  summary: 'checks everything that the bot depends on, and says how to mend it',
  detail:
    'Relays, the clock, agents and the wall around them, wallet, mints and node; not more often than once a minute.',
  role: 'admin',
  instead: '!status shows how it goes with your tasks.',
  kind: 'lasting',
  repeatable: true,
  run: async (_call, signal) => diagnosisText(await doctor.look(signal), clock.now()),
});
