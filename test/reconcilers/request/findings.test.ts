import { expect } from 'chai';
import { targetOfImage } from '../../../src/domain/request-osupgrade.ts';
import { judgeNode, type NodeVerdict } from '../../../src/domain/verdict.ts';
import { degradedOf } from '../../../src/reconcilers/request/degraded.ts';
import { progressingOf } from '../../../src/reconcilers/request/progressing.ts';
import { IMAGE, node, progress, request, requestOf } from '../objects.ts';

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
    expect(progressingOf({ verdicts, hold: undefined, fields }, counts).message).to.equal(
      'works on n1; n1 waits: pod a/b: x',
    );
  });

  it('says why the slots of a node cannot be used', () => {
    const slotsProblem = { reason: 'VerityUnsupported', message: 'dm-verity' };
    const verdict = judgeNode(node('n1', { slotsProblem, version: '' }), {
      ...requestOf(request('up')),
      target: targetOfImage(IMAGE),
      isMarked: () => false,
      supersededBy: () => undefined,
      progressesOf: () => [],
      handMadeOf: () => [],
      otherPlanOn: () => undefined,
    });
    expect(degradedOf({ verdicts: [verdict], troubles: [] })).to.deep.equal({
      status: 'True',
      reason: 'SlotsUnusable',
      message: 'n1 (VerityUnsupported: dm-verity)',
    });
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
