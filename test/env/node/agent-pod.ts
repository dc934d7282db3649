import type { Cluster } from '../cluster.ts';
import type { Pod } from './node-objects.ts';

/** Namespace and name that the agents' DaemonSet, ServiceAccount and pods have. */
const NAMESPACE = 'mono-system';
const NAME = 'node-agent';

/** Tells whether a pod is one of the agents' DaemonSet. */
export const isAgentPod = ({ metadata }: Pod): boolean =>
  metadata.namespace === NAMESPACE && metadata.name.startsWith(`${NAME}-`);

/** Makes the pod that the DaemonSet would make for a node. Resolves to its name. */
export async function createAgentPod(cluster: Cluster, nodeName: string): Promise<string> {
  const name = `${NAME}-${nodeName}`;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE, labels: { 'app.kubernetes.io/name': NAME } },
    spec: {
      nodeName,
      serviceAccountName: NAME,
      hostNetwork: true,
      tolerations: [{ operator: 'Exists' }],
      containers: [{ name: 'agent', image: 'twinslot' }],
    },
  };
  await cluster.kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(pod) });
  return name;
}

/** A kubeconfig of the agents' ServiceAccount, with a token that is bound to this pod and so to its node. */
export const agentKubeconfig = (cluster: Cluster, podName: string): Promise<string> =>
  cluster.serviceAccountKubeconfig({
    namespace: NAMESPACE,
    serviceAccount: NAME,
    boundPod: { name: podName },
  });
