// What WHATWG's parser makes of URIs: one JSON array of them in, a line; out the
// paths to which they lead, or null for what it does not take.
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

for await (const line of readline.createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(JSON.parse(line).map((uri) => {
    try {
      return fileURLToPath(new URL(uri));
    } catch {
      return null;
    }
  })));
}
