import { expect } from 'chai';
import { type InstanceFacts, instanceStatus, newInstance } from '../../src/agent/osinstance.ts';
import { OSInstanceStatus } from '../../src/api/openeuler/index.ts';
import { layout, slot } from './build.ts';

const facts = (changes: Partial<InstanceFacts> = {}): InstanceFacts => ({
  slots: { ok: true, layout: layout({ B: slot('B', undefined) }), boot: { defaultSlot: 'A' } },
  bootLoader: 'grub',
  bootId: 'boot-1',
  agentVersion: '1.0.0',
  ...changes,
});

describe('the OSInstance of a node', () => {
  it('is named, labelled and owned as upstream has it', () => {
    expect(newInstance({ name: 'node-1', uid: 'u' })).to.deep.equal({
      apiVersion: 'upgrade.openeuler.org/v1alpha1',
      kind: 'OSInstance',
      metadata: {
        name: 'node-1',
        namespace: 'default',
        labels: { 'upgrade.openeuler.org/osinstance-node': 'node-1' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'u' }],
      },
      spec: { nodestatus: 'idle' },
    });
  });

  it('tells both slots', () => {
    const status = instanceStatus(undefined, facts(), 0);
    expect(OSInstanceStatus.parse(status)).to.deep.equal(status);
    expect(status.slots).to.deep.equal([
      { name: 'A', booted: true, default: true, version: '1.34.1', prettyName: 'Demo OS 1.34.1' },
      { name: 'B', booted: false, default: false, version: '', prettyName: '' },
    ]);
  });

  it('tells why the slots cannot be used, and since when', () => {
    const why = { ok: false, reason: 'SlotCountUnsupported', message: 'three' } as const;
    const before = instanceStatus(undefined, facts(), 0);
    const { slots, conditions } = instanceStatus(before, facts({ slots: why }), 60_000);
    expect(slots).to.deep.equal([]);
    expect(conditions).to.deep.equal([
      {
        type: 'SlotsUsable',
        status: 'False',
        reason: 'SlotCountUnsupported',
        message: 'three',
        lastTransitionTime: '1970-01-01T00:01:00Z',
      },
    ]);
  });

  it('is the same when nothing changed, and says nothing of what others wrote', () => {
    const before = { ...instanceStatus(undefined, facts(), 0), sysconfigs: { version: 'v1' } };
    const { sysconfigs, ...own } = before;
    expect(instanceStatus(before, facts(), 99_000)).to.deep.equal(own);
  });
});
