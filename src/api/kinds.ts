import type { KindDefinition, PrinterColumn } from './crd.ts';
import * as monok8s from './monok8s/index.ts';
import * as openeuler from './openeuler/index.ts';

const column = (
  name: string,
  jsonPath: string,
  description: string,
  type: PrinterColumn['type'] = 'string',
): PrinterColumn => ({ name, type, jsonPath, description });

const wide = (
  name: string,
  jsonPath: string,
  description: string,
  type: PrinterColumn['type'] = 'string',
): PrinterColumn => ({ ...column(name, jsonPath, description, type), priority: 1 });

const AGE = wide('Age', '.metadata.creationTimestamp', 'Time since the object was created', 'date');

/** `OSUpgrade`: the request that a person writes. */
const OSUPGRADE: KindDefinition = {
  group: monok8s.GROUP,
  version: monok8s.VERSION,
  kind: 'OSUpgrade',
  plural: 'osupgrades',
  singular: 'osupgrade',
  shortNames: ['osu'],
  scope: 'Cluster',
  description: 'OSUpgrade asks for one version of the operating system on all nodes that it selects.',
  spec: monok8s.OSUpgradeSpec,
  status: monok8s.OSUpgradeStatus,
  isSpecRequired: true,
  columns: [
    column('Desired', '.spec.version', 'Version that was asked for'),
    column('Resolved', '.status.resolvedVersion', 'Version that the catalog gave for it'),
    column('Phase', '.status.phase', 'Pending, Accepted or Rejected'),
    wide('Nodes', '.status.nodes.total', 'Selected nodes', 'integer'),
    wide('Updated', '.status.nodes.updated', 'Nodes that run the version', 'integer'),
    wide('Failed', '.status.nodes.failed', 'Nodes whose upgrade failed', 'integer'),
    AGE,
    wide('Reason', '.status.reason', 'Why it is in this phase'),
    wide('Message', '.status.message', 'What to know, and what to do'),
  ],
};

/** `OSUpgradeProgress`: one node's part, which that node's agent works on. */
const OSUPGRADEPROGRESS: KindDefinition = {
  group: monok8s.GROUP,
  version: monok8s.VERSION,
  kind: 'OSUpgradeProgress',
  plural: 'osupgradeprogresses',
  singular: 'osupgradeprogress',
  shortNames: ['osup'],
  scope: 'Cluster',
  description:
    "OSUpgradeProgress is one node's part in an upgrade: the plan, and how far the node's agent is.",
  spec: monok8s.OSUpgradeProgressSpec,
  status: monok8s.OSUpgradeProgressStatus,
  isSpecRequired: true,
  columns: [
    column('Node', '.spec.nodeName', 'Node that is upgraded'),
    column('Source', '.spec.sourceRef.name', 'Request that this object works for'),
    column('Current', '.status.currentVersion', 'Version that the node runs'),
    column('Target', '.status.targetVersion', 'Version that the node shall run'),
    column('Status', '.status.phase', 'Phase of the upgrade'),
    wide('Attempt', '.status.attempt', '1, and one more for each retry', 'integer'),
    wide('Done', '.status.progress.bytesDone', 'Bytes of the running phase that are done', 'integer'),
    wide('Total', '.status.progress.bytesTotal', 'Bytes of the running phase, 0 if unknown', 'integer'),
    AGE,
    wide('Reason', '.status.failureReason', 'Why it failed'),
    wide('Message', '.status.message', 'What it does or waits for, or what to do'),
  ],
  selectableFields: ['.spec.nodeName'],
};

/** `OSInstance`: what a node's agent found on its node. Columns as upstream KubeOS has them. */
const OSINSTANCE: KindDefinition = {
  group: openeuler.GROUP,
  version: openeuler.VERSION,
  kind: 'OSInstance',
  plural: 'osinstances',
  singular: 'osinstance',
  scope: 'Namespaced',
  description:
    'OSInstance is the operating system of one node: its two slots, and the settings applied to it.',
  spec: openeuler.OSInstanceSpec,
  status: openeuler.OSInstanceStatus,
  isSpecRequired: false,
  columns: [
    column('NODESTATUS', '.spec.nodestatus', 'idle, upgrade or config'),
    column('SYSCONFIG-VERSION-CURRENT', '.status.sysconfigs.version', 'Version of the settings applied'),
    column('SYSCONFIG-VERSION-DESIRED', '.spec.sysconfigs.version', 'Version of the settings asked for'),
    column(
      'UPGRADECONFIG-VERSION-CURRENT',
      '.status.upgradeconfigs.version',
      'Version of the settings applied before an upgrade',
    ),
    column(
      'UPGRADECONFIG-VERSION-DESIRED',
      '.spec.upgradeconfigs.version',
      'Version of the settings asked for before an upgrade',
    ),
    wide('SLOT-A', '.status.slots[?(@.name=="A")].version', 'Version in slot A'),
    wide('SLOT-B', '.status.slots[?(@.name=="B")].version', 'Version in slot B'),
    wide('BOOTED', '.status.slots[?(@.booted==true)].name', 'The booted slot'),
    AGE,
  ],
};

/** `OS`: the request that a KubeOS user writes. Columns as upstream KubeOS has them. */
const OS: KindDefinition = {
  group: openeuler.GROUP,
  version: openeuler.VERSION,
  kind: 'OS',
  plural: 'os',
  singular: 'os',
  scope: 'Namespaced',
  description: 'OS asks for one version of the operating system on the nodes that it selects.',
  spec: openeuler.OSSpec,
  status: openeuler.OSStatus,
  isSpecRequired: true,
  columns: [
    column('OS VERSION', '.spec.osversion', 'Version that was asked for'),
    column('SYSCONFIG VERSION', '.spec.sysconfigs.version', 'Version of the settings asked for'),
    column(
      'UPGRADECONFIG VERSION',
      '.spec.upgradeconfigs.version',
      'Version of the settings asked for before an upgrade',
    ),
    wide('OPERATION', '.spec.opstype', 'upgrade or rollback'),
    wide('PHASE', '.status.phase', 'Pending, Accepted or Rejected'),
    wide('NODES', '.status.nodes.total', 'Selected nodes', 'integer'),
    wide('UPDATED', '.status.nodes.updated', 'Nodes that run the version', 'integer'),
    wide('FAILED', '.status.nodes.failed', 'Nodes whose upgrade failed', 'integer'),
    AGE,
    wide('REASON', '.status.reason', 'Why it is in this phase'),
    wide('MESSAGE', '.status.message', 'What to know, and what to do'),
  ],
};

/** Every kind that this project defines. */
export const KINDS: readonly KindDefinition[] = [OSUPGRADE, OSUPGRADEPROGRESS, OS, OSINSTANCE];
