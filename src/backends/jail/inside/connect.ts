/** SSH's way out of the jail: `connect.ts PROXY-PORT HOST PORT` joins standard input and output with a tunnel. */
import { connect } from 'node:net';

const [proxy = '', host = '', port = ''] = process.argv.slice(2);
const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
const socket = connect({ host: '127.0.0.1', port: Number(proxy), allowHalfOpen: true });
let head = Buffer.alloc(0);
const onHead = (chunk: Buffer): void => {
  head = Buffer.concat([head, chunk]);
  const end = head.indexOf('\r\n\r\n');
  if (end < 0) return;
  socket.off('data', onHead);
  const [line = ''] = head.toString('latin1').split('\r\n');
  if (!/^HTTP\/1\.1 200 /.test(line)) {
    process.stderr.write(`${target}: ${line}\n`);
    process.exit(1);
  }
  process.stdout.write(head.subarray(end + 4));
  socket.pipe(process.stdout);
  process.stdin.pipe(socket);
};
socket.on('data', onHead);
socket.on('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
socket.on('close', () => process.exit());
socket.write(`CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n\r\n`);
