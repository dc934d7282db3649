// What KubeOS leaves in a cluster, as far as a person who replaces it meets it. Names and labels:
// github.com/openeuler-mirror/KubeOS, docs/example/config, at v1.0.8.
import { stringify } from 'yaml';

const meta = (name: string, program = name) => ({
  name,
  namespace: 'upgrade-system',
  labels: { 'control-plane': program },
});

const podsOf = (program: string, spec: object = {}) => ({
  selector: { matchLabels: { 'control-plane': program } },
  template: {
    metadata: { labels: { 'control-plane': program } },
    spec: { containers: [{ name: 'program', image: `registry.example.com/${program}` }], ...spec },
  },
});

const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'upgrade-manager-role' };

/** The programs of KubeOS, and what they may do. */
export const PROGRAMS = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'upgrade-system' } },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: role.name },
    rules: [
      {
        apiGroups: ['upgrade.openeuler.org'],
        resources: ['os', 'osinstances'],
        verbs: ['get', 'list', 'watch'],
      },
    ],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'upgrade-manager-rolebinding' },
    roleRef: role,
    subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'upgrade-system' }],
  },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: meta('upgrade-operator'),
    spec: {
      replicas: 1,
      ...podsOf('upgrade-operator', {
        nodeSelector: { 'node-role.kubernetes.io/control-plane': '' },
        tolerations: [{ key: 'node-role.kubernetes.io/control-plane', operator: 'Exists' }],
      }),
    },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: meta('upgrade-proxy'),
    spec: podsOf('upgrade-proxy'),
  },
];

/** An `OS` of the releases of today. Fields that KubeOS demands are there, whether they mean anything or not. */
export const osObject = (name: string, spec: object, namespace = 'default') => ({
  apiVersion: 'upgrade.openeuler.org/v1alpha1',
  kind: 'OS',
  metadata: { name, namespace },
  spec: {
    ...{ imagetype: 'disk', opstype: 'upgrade', maxunavailable: 1, containerimage: '', imageurl: '' },
    ...{ checksum: '', flagSafe: false, mtls: false, evictpodforce: true },
    ...spec,
  },
});

/** An OSInstance as the proxy of KubeOS makes it: nobody owns it. */
export const osInstance = (node: string, spec: object = { nodestatus: 'idle' }) => ({
  apiVersion: 'upgrade.openeuler.org/v1alpha1',
  kind: 'OSInstance',
  metadata: {
    name: node,
    namespace: 'default',
    labels: { 'upgrade.openeuler.org/osinstance-node': node },
  },
  spec,
});

/** Several objects as one file. */
export const yamlOf = (objects: readonly object[]): string =>
  objects.map(object => stringify(object)).join('---\n');
