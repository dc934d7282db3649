// The CRDs of upstream KubeOS, as far as they decide what may be stored. Shape: github.com/openeuler-mirror/KubeOS,
// docs/example/config/crd, at v1.0.8, and of `OS` also at v1.0.2, the last one with `dockerimage`.
import { stringify } from 'yaml';

const text = { type: 'string' };
const configs = {
  type: 'object',
  properties: {
    version: text,
    configs: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          model: text,
          configpath: text,
          contents: {
            type: 'array',
            items: {
              type: 'object',
              properties: {
                key: text,
                value: { 'x-kubernetes-preserve-unknown-fields': true },
                operation: text,
              },
            },
          },
        },
      },
    },
  },
};

const crd = (kind: string, plural: string, properties: object, columns: [string, string][]) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: `${plural}.upgrade.openeuler.org`,
    annotations: { 'controller-gen.kubebuilder.io/version': 'v0.5.0' },
  },
  spec: {
    group: 'upgrade.openeuler.org',
    names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: columns.map(([name, jsonPath]) => ({ name, jsonPath, type: 'string' })),
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { apiVersion: text, kind: text, metadata: { type: 'object' }, ...properties },
          },
        },
      },
    ],
  },
});

const osSpec = {
  osversion: text,
  imageurl: text,
  maxunavailable: { type: 'integer' },
  checksum: text,
  flagSafe: { type: 'boolean' },
  mtls: { type: 'boolean' },
  imagetype: text,
  opstype: text,
  cacert: text,
  clientcert: text,
  clientkey: text,
};

/** `OS` as the releases with `dockerimage` had it: no word is checked. */
export const OLD_OS_CRD = stringify(
  crd(
    'OS',
    'os',
    {
      spec: {
        type: 'object',
        properties: { ...osSpec, dockerimage: text },
        required: [
          'checksum',
          'dockerimage',
          'flagSafe',
          'imagetype',
          'imageurl',
          'maxunavailable',
          'mtls',
          'opstype',
          'osversion',
        ],
      },
    },
    [],
  ),
);

/** `OS` as it is today. */
export const OS_CRD = stringify(
  crd(
    'OS',
    'os',
    {
      spec: {
        type: 'object',
        properties: {
          ...osSpec,
          imagetype: { type: 'string', enum: ['docker', 'disk', 'containerd'] },
          opstype: { type: 'string', enum: ['upgrade', 'config', 'rollback'] },
          containerimage: text,
          evictpodforce: { type: 'boolean' },
          sysconfigs: configs,
          upgradeconfigs: configs,
          nodeselector: { type: 'string', default: 'no-label' },
          timewindow: {
            type: 'object',
            properties: { starttime: text, endtime: text },
            required: ['starttime', 'endtime'],
          },
          timeinterval: { type: 'integer', default: 15 },
          executionmode: { type: 'string', enum: ['serial', 'parallel'], default: 'parallel' },
        },
        required: [
          'checksum',
          'containerimage',
          'evictpodforce',
          'flagSafe',
          'imagetype',
          'imageurl',
          'maxunavailable',
          'mtls',
          'opstype',
          'osversion',
        ],
      },
    },
    [
      ['OS VERSION', '.spec.osversion'],
      ['SYSCONFIG VERSION', '.spec.sysconfigs.version'],
      ['UPGRADECONFIG VERSION', '.spec.upgradeconfigs.version'],
    ],
  ),
);

/** `OSInstance` as it is today. */
export const OSINSTANCE_CRD = stringify(
  crd(
    'OSInstance',
    'osinstances',
    {
      spec: {
        type: 'object',
        properties: {
          nodestatus: text,
          namespacedname: { type: 'object', properties: { name: text, namespace: text } },
          sysconfigs: configs,
          upgradeconfigs: configs,
        },
      },
      status: { type: 'object', properties: { sysconfigs: configs, upgradeconfigs: configs } },
    },
    [
      ['NODESTATUS', '.spec.nodestatus'],
      ['SYSCONFIG-VERSION-CURRENT', '.status.sysconfigs.version'],
      ['SYSCONFIG-VERSION-DESIRED', '.spec.sysconfigs.version'],
      ['UPGRADECONFIG-VERSION-CURRENT', '.status.upgradeconfigs.version'],
      ['UPGRADECONFIG-VERSION-DESIRED', '.spec.upgradeconfigs.version'],
    ],
  ),
);
