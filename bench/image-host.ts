import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** Serves a file over http from a process of its own, which ends with `stack`. Resolves to its address. */
export async function serve(stack: AsyncDisposableStack, file: string): Promise<string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'serve.ts'), file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  stack.defer(() => void child.kill());
  const [line] = await once(child.stdout, 'data');
  return String(line).trim();
}
