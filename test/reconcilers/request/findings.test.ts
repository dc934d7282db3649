import { expect } from 'chai';
import type { NodeVerdict } from '../../../src/domain/verdict.ts';
import { degradedOf } from '../../../src/reconcilers/request/findings.ts';
import { node } from '../objects.ts';

const failed = (name: string, message: string): NodeVerdict => ({
  node: node(name),
  state: 'failed',
  reason: 'InsecureAddress',
  message,
});

describe('what a person should look at', () => {
  it('names nodes with one trouble together, and says it once', () => {
    const verdicts = [failed('n1', 'use https'), failed('n2', 'use https'), failed('n3', 'other')];
    expect(degradedOf({ verdicts, troubles: [] })).to.deep.equal({
      status: 'True',
      reason: 'NodesFailed',
      message: 'n1, n2 (InsecureAddress: use https), n3 (InsecureAddress: other)',
    });
  });
});
