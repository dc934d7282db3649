import { expect } from 'chai';
import { withWayOut } from '../../../src/agent/decide/way-out.ts';
import { NodePlan } from '../../../src/api/monok8s/index.ts';

const planOf = (url: string): NodePlan =>
  NodePlan.parse({
    kind: 'upgrade',
    rollout: 1,
    targetVersion: 'v1.35.1',
    image: { url },
    gate: { state: 'Closed', attempt: 0 },
  });
const target = { name: 'osupgrade-1', attempt: 2, nonce: undefined, plan: planOf('http://a.example/i') };

describe('the way out of an attempt that failed', () => {
  it('is the command that starts another one, with a nonce that is new', () => {
    const message = withWayOut('the disk is full', 'SlotWriteFailed', { ...target, nonce: 'retry-2' });
    expect(message).to.equal(
      'the disk is full. To try again: kubectl patch osupgradeprogress osupgrade-1 --type merge ' +
        `-p '{"spec":{"retryNonce":"retry-3"}}'`,
    );
  });

  it('is the request where the plan itself cannot be done', () => {
    const message = withWayOut('not safe', 'InsecureAddress', target);
    expect(message).to.equal('not safe. When the request is corrected, this node is tried again by itself');
    expect(withWayOut('not safe', 'InsecureAddress', { ...target, plan: undefined })).to.contain(
      'kubectl patch',
    );
  });

  it('is a retry where a server leads to an insecure address', () => {
    const redirected = { ...target, plan: planOf('https://a.example/i') };
    expect(withWayOut('not safe', 'InsecureAddress', redirected)).to.contain('kubectl patch');
  });

  for (const reason of ['Superseded', 'RequestChanged', 'RequestDeleted', 'RequestNotFound'])
    it(`is not a retry after ${reason}`, () =>
      expect(withWayOut('it is over', reason, target)).to.equal('it is over'));
});
