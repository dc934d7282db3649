import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { findControlPlane } from '../../tools/lib/binaries.mjs';

/** How kubectl is called. */
export interface KubectlOptions {
  readonly stdin?: string;
  /** Default: the cluster's administrator. */
  readonly kubeconfig?: string;
  /** An exit code other than 0 is answered, not thrown. */
  readonly allowFailure?: boolean;
}

/** What a call of kubectl ended with. */
export interface KubectlResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs kubectl; `cacheDir` keeps it from trusting what it knew of another cluster on the same port.
 * @throws Error with its stderr when it fails
 */
export async function runKubectl(
  args: readonly string[],
  options: KubectlOptions & { readonly kubeconfig: string; readonly cacheDir: string },
): Promise<KubectlResult> {
  const child = spawn(findControlPlane().kubectl.path, args, {
    env: { ...process.env, KUBECONFIG: options.kubeconfig, KUBECACHEDIR: options.cacheDir },
    stdio: 'pipe',
  });
  // It may end before it has read all: its exit code says what is wrong.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');
  const exited = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', code => resolve(code ?? -1));
  });
  const [code, stdout, stderr] = await Promise.all([exited, text(child.stdout), text(child.stderr)]);
  if (code !== 0 && options.allowFailure !== true) {
    throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr.trim()}`);
  }
  return { code, stdout, stderr };
}
