// Serves the file named on the command line over http on loopback, prints the address, and ends with its parent.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { pipeline } from 'node:stream/promises';

const [file = ''] = process.argv.slice(2);
const size = statSync(file).size;

const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-length': size, etag: `"${size}"` });
  pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), response).catch(() => undefined);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') console.log(`http://127.0.0.1:${address.port}`);
});
process.stdin.resume().on('close', () => process.exit());
