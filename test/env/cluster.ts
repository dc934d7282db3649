import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../tools/lib/paths.mjs';
import { writeKubeconfig } from './cluster-kubeconfig.ts';
import { type KubectlOptions, type KubectlResult, runKubectl } from './cluster-kubectl.ts';
import { type ProgramOptions, serverUrlOf, startPrograms } from './cluster-programs.ts';
import { makeTempDir, removeTempDir } from './cluster-temp-dir.ts';
import { compactEtcd, prepareSite } from './control-plane.ts';
import { type CertificateSubject, createAuthority } from './control-plane-certificates.ts';
import { eventually } from './wait.ts';

/** What a test cluster consists of. */
export interface ClusterOptions extends ProgramOptions {
  /** Default true. Without it PodDisruptionBudgets refuse for ever and nothing is garbage-collected. */
  readonly controllerManager?: boolean;
  /** Default true. */
  readonly scheduler?: boolean;
  /** Part of the folder's name, for the eye. */
  readonly name?: string;
}

/** Names a ServiceAccount, and the pod that its token is bound to. */
export interface TokenRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly boundPod?: { readonly name: string; readonly uid?: string };
}

/** A real control plane on loopback. It ends with this process, however that ends. */
export interface Cluster {
  /** Folder of data, logs (`kube-apiserver.log`, …) and credentials; removed by `stop`. */
  readonly dir: string;
  readonly serverUrl: string;
  readonly caFile: string;
  /** Path of the kubeconfig of a cluster administrator (group system:masters). */
  readonly adminKubeconfig: string;
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<KubectlResult>;
  /** Path of a kubeconfig with a token of a ServiceAccount; bound to a pod, it carries the pod's node. */
  serviceAccountKubeconfig(request: TokenRequest): Promise<string>;
  /** Path of a kubeconfig of the node's own identity, `system:node:<name>`. */
  kubeletKubeconfig(nodeName: string): Promise<string>;
  /** Applies config/crd and config/rbac; resolves when the API server serves the kinds. */
  installTwinslot(): Promise<void>;
  /** Stops the API server in an orderly way. */
  stopApiServer(): Promise<void>;
  /** Starts it again, on the same port and data; resolves when it is ready. */
  startApiServer(): Promise<void>;
  /** Ends the API server by SIGKILL. */
  killApiServer(): Promise<void>;
  /** Discards etcd's history: after a restart of the API server, watches from older versions are answered 410. */
  compactEtcd(): Promise<void>;
  /** Ends everything and removes `dir`. Calls made twice are fine. */
  stop(): Promise<void>;
}

/** Starts etcd, the API server, the controller manager and the scheduler; resolves in 3 to 5 seconds. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const dir = makeTempDir(options.name ?? 'cluster');
  const authority = createAuthority();
  const site = await prepareSite(dir, authority);
  const programs = await startPrograms(site, authority, options);
  const [serverUrl, caFile] = [serverUrlOf(site), join(dir, 'ca.crt')];
  let count = 0;
  const kubeconfigFor = (name: string, user: CertificateSubject | string): string => {
    count += 1;
    return writeKubeconfig(join(dir, `${name}-${count}.kubeconfig`), {
      serverUrl,
      caFile,
      user: typeof user === 'string' ? { token: user } : authority.issue(user),
    });
  };
  const adminKubeconfig = kubeconfigFor('admin', { commonName: 'admin', groups: ['system:masters'] });
  const kubectl = (args: readonly string[], given: KubectlOptions = {}): Promise<KubectlResult> =>
    runKubectl(args, { kubeconfig: adminKubeconfig, cacheDir: join(dir, 'kubectl-cache'), ...given });
  return {
    ...{ dir, serverUrl, caFile, adminKubeconfig, kubectl },
    async serviceAccountKubeconfig(request) {
      const { stdout } = await kubectl(tokenCommand(request));
      return kubeconfigFor(request.serviceAccount, stdout.trim());
    },
    kubeletKubeconfig: async nodeName =>
      kubeconfigFor(nodeName, { commonName: `system:node:${nodeName}`, groups: ['system:nodes'] }),
    installTwinslot: () => installTwinslot(kubectl),
    startApiServer: () => programs.startApiServer(),
    stopApiServer: () => programs.stopApiServer(),
    killApiServer: () => programs.killApiServer(),
    compactEtcd: () => compactEtcd(site),
    async stop() {
      await programs.stop();
      removeTempDir(dir);
    },
  };
}

function tokenCommand({ namespace, serviceAccount, boundPod }: TokenRequest): string[] {
  const command = ['create', 'token', serviceAccount, `--namespace=${namespace}`, '--duration=8h'];
  if (boundPod === undefined) return command;
  const uid = boundPod.uid === undefined ? [] : [`--bound-object-uid=${boundPod.uid}`];
  return [...command, '--bound-object-kind=Pod', `--bound-object-name=${boundPod.name}`, ...uid];
}

async function installTwinslot(kubectl: Cluster['kubectl']): Promise<void> {
  for (const folder of ['config/crd', 'config/rbac']) {
    const path = join(ROOT, folder);
    const how = existsSync(join(path, 'kustomization.yaml')) ? '--kustomize' : '--filename';
    await kubectl(['apply', '--server-side', how, path]);
  }
  await kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s']);
  const { stdout } = await kubectl(['get', 'crd', '-o', 'jsonpath={.items[*].metadata.name}']);
  const listAll = ['get', stdout.replaceAll(' ', ','), '--all-namespaces'];
  // Established is a little earlier than served.
  await eventually(() => kubectl(listAll), { timeoutMs: 30_000, what: 'our kinds are served' });
}

if (import.meta.main) {
  const cluster = await startCluster({ name: 'manual' });
  console.log(`export KUBECONFIG=${cluster.adminKubeconfig}\n# logs: ${cluster.dir}/*.log; Ctrl-C ends it`);
  const untilStopped = setInterval(() => undefined, 60_000);
  process.once('SIGINT', () => {
    clearInterval(untilStopped);
    void cluster.stop();
  });
}
