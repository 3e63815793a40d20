// Writes the table of commands into the README, between its two marks.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownTable } from '../../src/commands/help-command.ts';
import { commandsForReading } from './commands.ts';

const path = join(import.meta.dir, '../../README.md');
const [begin, end] = ['<!-- commands -->', '<!-- /commands -->'];
const readme = readFileSync(path, 'utf8');
const [before, rest = ''] = readme.split(begin);
const after = rest.split(end)[1];
if (before === undefined || after === undefined) throw new Error('the README has lost its marks');
writeFileSync(path, `${before}${begin}\n\n${markdownTable(commandsForReading())}\n\n${end}${after}`);
