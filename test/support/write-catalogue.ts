import { join } from 'node:path';
import { readShippedCatalogue } from './shipped-catalogue.ts';

// bun test/support/write-catalogue.ts: after another version of opencode-ai was put into package.json.
const path = join(import.meta.dir, '../../src/keys/catalogue.json');
const { opencode, providers } = await readShippedCatalogue();
const lines = providers.map((provider) => `    ${JSON.stringify(provider)}`).join(',\n');
await Bun.write(path, `{\n  "opencode": ${JSON.stringify(opencode)},\n  "providers": [\n${lines}\n  ]\n}\n`);
