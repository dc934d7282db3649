import { expect } from 'chai';
import { viewGate } from '../../../src/agent/decide/gate.ts';
import type { Gate } from '../../../src/api/monok8s/index.ts';
import { gate, plan } from '../build.ts';

const CASES: { name: string; gate: Gate; attempt: number; want: string }[] = [
  { name: 'open', gate: gate('Open', 2), attempt: 2, want: 'open' },
  { name: 'open for the attempt before', gate: gate('Open', 1), attempt: 2, want: 'closed' },
  { name: 'open for the attempt to come', gate: gate('Open', 3), attempt: 2, want: 'closed' },
  { name: 'open for no attempt', gate: gate('Open', 0), attempt: 1, want: 'closed' },
  { name: 'draining', gate: gate('Draining', 1), attempt: 1, want: 'draining' },
  { name: 'failed', gate: gate('Failed', 1), attempt: 1, want: 'ended' },
  { name: 'failed in the attempt before', gate: gate('Failed', 1), attempt: 2, want: 'closed' },
  { name: 'cancelled before the first attempt', gate: gate('Cancelled', 0), attempt: 1, want: 'ended' },
  { name: 'cancelled in the attempt before', gate: gate('Cancelled', 1), attempt: 2, want: 'closed' },
];

describe('what a gate means for an attempt', () => {
  for (const { name, gate: given, attempt, want } of CASES) {
    it(`${name}: ${want}`, () => expect(viewGate(plan({ gate: given }), attempt).type).to.equal(want));
  }
  it('its reason becomes the reason of the failure', () => {
    const given = { ...gate('Failed', 1, 'pod a/b did not go'), reason: 'DrainTimeout' };
    expect(viewGate(plan({ gate: given }), 1)).to.deep.equal({
      type: 'ended',
      outcome: { phase: 'Failed', reason: 'DrainTimeout', message: 'pod a/b did not go' },
    });
  });
});
