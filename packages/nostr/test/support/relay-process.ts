// The sandbox relay as a process of its own, to be stopped with SIGSTOP. Prints its port.
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';

process.stdout.write(`${startSandboxRelay().port}\n`);
