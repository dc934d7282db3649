import { expect } from 'chai';
import type { NodeVerdict } from '../../../src/domain/verdict.ts';
import { degradedOf, progressingOf } from '../../../src/reconcilers/request/findings.ts';
import { node, progress, request, requestOf } from '../objects.ts';

const failed = (name: string, message: string): NodeVerdict => ({
  node: node(name),
  state: 'failed',
  reason: 'InsecureAddress',
  message,
});

describe('what a person should look at', () => {
  it('hears what a drain waits for', () => {
    const gate = {
      state: 'Draining',
      attempt: 1,
      reason: 'PodDisruptionBudget',
      message: 'pod a/b: x',
    } as const;
    const work = progress({ on: 'n1', gate, status: { phase: 'Draining', attempt: 1 } });
    const verdicts = [
      { node: node('n1'), state: 'running', reason: '', message: '', progress: work } as const,
    ];
    const counts = { total: 1, updated: 0, running: 1, waiting: 0, failed: 0, skipped: 0, drifted: 0 };
    const { fields } = requestOf(request('up'));
    expect(progressingOf({ verdicts, troubles: [], hold: undefined, fields }, counts).message).to.equal(
      'works on n1; n1 waits: pod a/b: x',
    );
  });

  it('names nodes with one trouble together, and says it once', () => {
    const verdicts = [failed('n1', 'use https'), failed('n2', 'use https'), failed('n3', 'other')];
    expect(degradedOf({ verdicts, troubles: [] })).to.deep.equal({
      status: 'True',
      reason: 'NodesFailed',
      message: 'n1, n2 (InsecureAddress: use https), n3 (InsecureAddress: other)',
    });
  });
});
