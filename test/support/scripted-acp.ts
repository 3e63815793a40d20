import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * An agent that speaks the Agent Client Protocol and does what its task says, for stories in which the agent itself is not
 * what is tried. Tasks: `say …`, `run …` (asks first), `call` (asks the model at OPENAI_BASE_URL), `fail <status>`,
 * `hang`, `noise` (lines that are no messages), `die`, `leave` (a child that outlives it), anything else is echoed.
 */
export function writeScriptedAcp(directory: string): string {
  const path = join(directory, 'scripted-acp');
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  return path;
}

const script = `#!/usr/bin/env node
const { spawn, execSync } = require('node:child_process');
const rl = require('node:readline').createInterface({ input: process.stdin });
const out = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
const pending = new Map();
let count = 0;
const ask = (method, params) => new Promise((done) => { count += 1; pending.set('a' + count, done); out({ id: 'a' + count, method, params }); });
const update = (sessionId, update) => out({ method: 'session/update', params: { sessionId, update } });
const say = (sessionId, text) => update(sessionId, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
let cancelled = () => {};
async function prompt(id, { sessionId, prompt }) {
  const task = prompt[0].text;
  const [word, ...rest] = task.split(' ');
  const text = rest.join(' ');
  const end = (stopReason) => out({ id, result: { stopReason } });
  if (word === 'run') {
    const toolCall = { toolCallId: 't1', title: text, kind: 'execute', status: 'pending', rawInput: { command: text } };
    update(sessionId, { sessionUpdate: 'tool_call', ...toolCall });
    const options = [{ optionId: 'yes', kind: 'allow_once', name: 'Yes' }, { optionId: 'no', kind: 'reject_once', name: 'No' }];
    // What it is about was told: the id is enough.
    const { outcome } = await ask('session/request_permission', { sessionId, toolCall: text.startsWith('touch yes') ? { toolCallId: 't1' } : toolCall, options });
    if (outcome.optionId === 'yes') execSync(text);
    update(sessionId, { sessionUpdate: 'tool_call_update', toolCallId: 't1', status: outcome.optionId === 'yes' ? 'completed' : 'failed' });
    update(sessionId, { sessionUpdate: 'plan', entries: [{ content: 'run it', status: 'completed', priority: 'high' }] });
    say(sessionId, outcome.optionId === 'yes' ? 'ran it' : 'left it');
    return end('end_turn');
  }
  if (word === 'call') {
    const answer = await fetch(process.env.OPENAI_BASE_URL + '/chat/completions', { method: 'POST', headers: { authorization: 'Bearer ' + process.env.OPENAI_API_KEY, 'content-type': 'application/json' }, body: JSON.stringify({ model: process.env.OPENAI_MODEL, messages: [{ role: 'user', content: text }] }) });
    const body = await answer.json();
    if (!answer.ok) return out({ id, error: { code: -32603, message: 'API error ' + answer.status + ' ' + JSON.stringify(body) } });
    say(sessionId, body.choices[0].message.content);
    return end('end_turn');
  }
  if (word === 'fail') return out({ id, error: { code: -32603, message: 'Internal error', data: { errorName: 'APIError', status: Number(text) } } });
  if (word === 'hang') { say(sessionId, 'begun'); cancelled = () => end('cancelled'); return; }
  if (word === 'deaf') { say(sessionId, 'begun'); process.on('SIGTERM', () => {}); return; }
  if (word === 'noise') { process.stdout.write('warming up\\n{"jsonrpc":"1.0"}\\n[]\\nnull\\n' + 'x'.repeat(100000) + '\\n'); out({ method: 'session/update', params: { sessionId, update: { sessionUpdate: 'of tomorrow' } } }); }
  if (word === 'die') process.exit(3);
  if (word === 'leave') spawn('setsid', ['sleep', '7391'], { detached: true, stdio: 'ignore' }).unref();
  if (word === 'much') for (let n = 0; n < 40; n++) say(sessionId, 'y'.repeat(100000));
  say(sessionId, word === 'say' ? text : 'heard: ' + task);
  end('end_turn');
}
rl.on('line', (line) => {
  const { id, method, params, result } = JSON.parse(line);
  if (method === undefined) { pending.get(id)?.(result); return; }
  if (method === 'initialize') return out({ id, result: { protocolVersion: 1, agentInfo: { name: 'scripted', version: '1' }, agentCapabilities: { loadSession: true } } });
  if (method === 'session/new') return out({ id, result: { sessionId: 's' + process.pid } });
  if (method === 'session/load') {
    if (params.sessionId === 'lost') return out({ id, error: { code: -32002, message: 'no such session' } });
    say(params.sessionId, 'what was said long ago');
    return out({ id, result: {} });
  }
  if (method === 'session/cancel') return cancelled();
  if (method === 'session/prompt') return prompt(id, params);
  if (id !== undefined) out({ id, error: { code: -32601, message: 'unknown' } });
});
rl.on('close', () => process.exit(0));
`;
