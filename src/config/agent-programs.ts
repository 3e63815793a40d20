import type { AgentProgram } from '../backends/acp/agent-program.ts';
import { isPreset, presetNames } from '../backends/acp/presets.ts';
import { builtInBackends } from '../backends/backend.ts';

/**
 * Reads `BOT_AGENTS`: names of presets, or `name=command` with the command's words apart by spaces (no shell).
 * @param report in words that continue the variable's name
 */
export function readAgentPrograms(text: string, report: (problem: string) => void): readonly AgentProgram[] {
  const programs: AgentProgram[] = [];
  for (const entry of text.split(',').map((each) => each.trim())) {
    if (entry === '') continue;
    const [, name = '', command] = /^([^=]*?)\s*(?:=\s*(.*))?$/s.exec(entry) ?? [];
    if (!/^[a-z][a-z0-9-]{0,30}$/.test(name)) {
      report(`has the name “${name}”: a name is of small letters, digits and hyphens`);
    } else if (
      builtInBackends.some((other) => other === name) ||
      programs.some((other) => other.name === name)
    ) {
      report(`names ${name} twice, or what is there anyway`);
    } else if (command === undefined) {
      if (isPreset(name)) programs.push({ name, preset: name });
      else report(`has “${name}”, which is none of ${presetNames.join(', ')}: write ${name}=<command>`);
    } else {
      const words = command.split(/\s+/).filter((word) => word !== '');
      if (words.length === 0) report(`has no command behind ${name}=`);
      else programs.push({ name, command: words });
    }
  }
  return programs;
}
