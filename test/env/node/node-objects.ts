/** What a kubelet tells about the system that it runs on. */
export interface NodeSystem {
  readonly bootId: string;
  readonly osImage: string;
  /** The kubelet comes with the system, so this is the system's version. */
  readonly kubeletVersion: string;
}

/** The fields of a pod that a kubelet looks at. */
export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion?: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly containers: readonly { readonly name: string; readonly image: string }[] };
  readonly status?: { readonly phase?: string };
}

/** The Node as a kubelet registers it. */
export const nodeObject = (name: string, labels: Readonly<Record<string, string>>): object => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name,
    labels: {
      'kubernetes.io/hostname': name,
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': 'amd64',
      ...labels,
    },
  },
});

/** The body that reports a node's status. `sinceIso` is when Ready became what it is. */
export function nodeStatus(name: string, system: NodeSystem, isReady: boolean, sinceIso: string): object {
  const nowIso = new Date().toISOString();
  const room = { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '20Gi' };
  const condition = (type: string, status: boolean, reason: string): object => ({
    ...{ type, status: status ? 'True' : 'False', reason, message: reason },
    ...{ lastHeartbeatTime: nowIso, lastTransitionTime: sinceIso },
  });
  return {
    status: {
      capacity: room,
      allocatable: room,
      addresses: [
        { type: 'InternalIP', address: '127.0.0.1' },
        { type: 'Hostname', address: name },
      ],
      conditions: [
        condition('MemoryPressure', false, 'KubeletHasSufficientMemory'),
        condition('DiskPressure', false, 'KubeletHasNoDiskPressure'),
        condition('PIDPressure', false, 'KubeletHasSufficientPID'),
        condition('Ready', isReady, isReady ? 'KubeletReady' : 'KubeletNotReady'),
      ],
      nodeInfo: {
        bootID: system.bootId,
        osImage: system.osImage,
        kubeletVersion: system.kubeletVersion,
        kubeProxyVersion: '',
        containerRuntimeVersion: 'containerd://1.7.0',
        kernelVersion: '6.6.0',
        operatingSystem: 'linux',
        architecture: 'amd64',
        machineID: name,
        systemUUID: name,
      },
    },
  };
}

/** The Lease by which a kubelet shows that it lives. */
export const leaseObject = (name: string): object => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name, namespace: 'kube-node-lease' },
  spec: {
    holderIdentity: name,
    leaseDurationSeconds: 40,
    renewTime: new Date().toISOString().replace(/Z$/, '000Z'),
  },
});

/** The status of a pod whose containers all run. */
export function runningStatus(pod: Pod): object {
  const nowIso = new Date().toISOString();
  return {
    status: {
      phase: 'Running',
      hostIP: '127.0.0.1',
      podIP: '127.0.0.1',
      startTime: nowIso,
      conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map(type => ({
        ...{ type, status: 'True', lastTransitionTime: nowIso },
      })),
      containerStatuses: pod.spec.containers.map(({ name, image }) => ({
        ...{ name, image, imageID: image, ready: true, started: true, restartCount: 0 },
        ...{ containerID: `containerd://${pod.metadata.uid}`, state: { running: { startedAt: nowIso } } },
      })),
    },
  };
}
