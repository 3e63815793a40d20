import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PathProblem } from '../backends/jail/path-rules.ts';

/** Where this program is. */
export const packageFolder = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What is wrong with a path that agents are to see, in words that continue the variable's name. */
export function describePathProblem(path: string, { problem, of }: PathProblem): string {
  switch (problem) {
    case 'system':
      return `names ${path}, a folder of the system`;
    case 'home':
      return `names ${path}: agents get folders in a home, not a home with everything in it`;
    case 'is':
      return `names ${path}, which no agent may see`;
    case 'holds':
      return `names ${path}, which holds ${of}: no agent may see that`;
    case 'inside':
      return `names ${path}, which lies in ${of}: no agent may see that`;
    case 'link':
      return `names ${path}, whose way goes through the link ${of}, which an agent can change`;
  }
}
