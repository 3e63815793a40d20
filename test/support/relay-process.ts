// The sandbox relay as a process of its own, to be stopped with SIGSTOP. Prints its port.
import { startSandboxRelay } from '../../src/sandbox/relay.ts';

process.stdout.write(`${startSandboxRelay().port}\n`);
