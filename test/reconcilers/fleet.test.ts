import { expect } from 'chai';
import type { NodeFacts } from '../../src/domain/node.ts';
import { createFleetView, type World } from '../../src/reconcilers/fleet.ts';
import { node, pod, request } from './objects.ts';

const lister = <T>(items: readonly T[]) => ({ get: () => undefined, list: () => items });

describe('fleet view', () => {
  const nodes: { list: readonly NodeFacts[] } = { list: [node('n2'), node('n1')] };
  const instance = {
    apiVersion: 'upgrade.openeuler.org/v1alpha1',
    kind: 'OSInstance',
    metadata: { name: 'n1', uid: 'x', resourceVersion: '1' },
    spec: {},
    status: {
      bootId: 'b',
      slots: [
        { name: 'A' as const, booted: false, default: true, version: 'v1', prettyName: '' },
        { name: 'B' as const, booted: true, default: false, version: 'v2', prettyName: '' },
      ],
    },
  };
  const deleted = request('gone');
  const world: World = {
    nodes: { get: () => undefined, list: () => nodes.list },
    oses: lister([]),
    upgrades: lister([
      request('up'),
      { ...deleted, metadata: { ...deleted.metadata, deletionTimestamp: 'x' } },
    ]),
    progresses: lister([]),
    instances: { get: ({ name }) => (name === 'n1' ? instance : undefined), list: () => [] },
    upstreamProxies: lister([pod('p', { nodeName: 'n2' }), pod('q', { nodeName: 'n1', phase: 'Failed' })]),
    agentPods: lister([pod('a', { nodeName: 'n1' }), pod('b', { nodeName: 'n2', phase: 'Failed' })]),
  };
  const view = createFleetView(world);

  it('puts together what is known of each node', () => {
    const [n1, n2] = view.read().nodes;
    expect(n1).to.include({
      name: 'n1',
      version: 'v2',
      agentBootId: 'b',
      hasReported: true,
      hasAgentPod: true,
    });
    expect(n1).not.to.have.property('upstreamProxy');
    expect(n2).to.include({
      name: 'n2',
      upstreamProxy: 'default/p',
      version: '',
      agentBootId: '',
      hasReported: false,
      hasAgentPod: false,
    });
  });

  it('leaves requests out that are being deleted', () => {
    expect(view.read().requests.map(({ metadata }) => metadata.name)).to.deep.equal(['up']);
  });

  it('shows a change of nothing but the resource version, of which no informer tells', () => {
    nodes.list = [node('n1', { resourceVersion: '2' })];
    expect(view.read().nodesByName.get('n1')?.resourceVersion).to.equal('2');
  });
});
