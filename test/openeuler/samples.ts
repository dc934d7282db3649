/** What is filled into the disk sample of the document. */
export interface DiskFields {
  readonly version: string;
  readonly nodes: number;
  readonly url: string;
  /** 64 hex digits. */
  readonly checksum: string;
  readonly flagSafe?: boolean;
  readonly mtls?: boolean;
  readonly cacert?: string;
  readonly clientcert?: string;
  readonly clientkey?: string;
}

/**
 * The sample of an upgrade with a disk image, its placeholders filled in.
 * @source openEuler 22.09, KubeOS User Guide, Usage Instructions
 */
export const diskSample = (fields: DiskFields): string => `apiVersion: upgrade.openeuler.org/v1alpha1
kind: OS
metadata:
  name: os-sample
spec:
  imagetype: disk
  opstype: upgrade
  osversion: KubeOS ${fields.version}
  maxunavailable: ${fields.nodes}
  dockerimage: ""
  imageurl: ${fields.url}
  checksum: ${fields.checksum}
  flagSafe: ${fields.flagSafe ?? false}
  mtls: ${fields.mtls ?? false}
  cacert: ${fields.cacert ?? '""'}
  clientcert: ${fields.clientcert ?? '""'}
  clientkey: ${fields.clientkey ?? '""'}
`;

/**
 * The sample of an upgrade with a Docker image, its placeholders filled in.
 * @source openEuler 22.09, KubeOS User Guide, Usage Instructions
 */
export const dockerSample = (fields: {
  readonly version: string;
  readonly nodes: number;
  readonly image: string;
}): string => `apiVersion: upgrade.openeuler.org/v1alpha1
kind: OS
metadata:
  name: os-sample
spec:
  imagetype: docker
  opstype: upgrade
  osversion: KubeOS ${fields.version}
  maxunavailable: ${fields.nodes}
  dockerimage: ${fields.image}
  imageurl: ""
  checksum: ""
  flagSafe: false
  mtls: true
`;

/**
 * The sample of a rollback to the previous partition. Its `mtls:true` is no YAML: a space was added.
 * @source openEuler 22.09, KubeOS User Guide, Usage Instructions
 */
export const rollbackSample = (version: string): string => `apiVersion: upgrade.openeuler.org/v1alpha1
kind: OS
metadata:
  name: os-sample
spec:
  imagetype: ""
  opstype: rollback
  osversion: KubeOS ${version}
  maxunavailable: 2
  dockerimage: ""
  imageurl: ""
  checksum: ""
  flagSafe: false
  mtls: true
`;

/**
 * The sample that upstream has today, without its settings of nodes.
 * @source github.com/openeuler-mirror/KubeOS, docs/example/config/samples/upgrade_v1alpha1_os.yaml at e2f62ab
 */
export const upstreamSample = (fields: {
  readonly version: string;
  readonly nodes: number;
  readonly image: string;
  readonly digest: string;
  readonly nodeselector: string;
}): string => `apiVersion: upgrade.openeuler.org/v1alpha1
kind: OS
metadata:
    name: os-sample
spec:
    imagetype: containerd
    opstype: upgrade
    osversion: KubeOS ${fields.version}
    maxunavailable: ${fields.nodes}
    containerimage: ${fields.image}
    evictpodforce: true
    imageurl: ""
    checksum: ${fields.digest}
    flagSafe: false
    mtls: false
    nodeselector: ${fields.nodeselector}
`;
