import { expect } from 'chai';
import fc from 'fast-check';
import type { OSUpgradeProgress } from '../../../src/api/monok8s/index.ts';
import type { OS } from '../../../src/api/openeuler/index.ts';
import type { NodeState } from '../../../src/domain/node-state.ts';
import { isActive, isTerminal } from '../../../src/domain/progress.ts';
import { decideRequest } from '../../../src/reconcilers/request/decide.ts';
import type { RequestDecision } from '../../../src/reconcilers/request/decision.ts';
import { fleet, NOW_MS, node, os, progress } from '../objects.ts';
import { asked } from './cases.ts';

const PHASES = ['Downloading', 'Staged', 'Draining', 'Rebooting', 'Completed'] as const;
const ORDER: readonly (string | undefined)[] = PHASES;
const [OLD, NEW] = ['KubeOS 1.0.0', 'KubeOS 1.0.1'];

/** One thing that happens to one node. */
const HAPPENINGS = [
  'step',
  'step',
  'step',
  'step',
  'fail',
  'lose',
  'find',
  'cordon',
  'uncordon',
  'retry',
] as const;
type Happening = (typeof HAPPENINGS)[number];

const setups = fc.record({
  count: fc.integer({ min: 1, max: 12 }),
  done: fc.integer({ min: 0, max: 4 }),
  maxunavailable: fc.integer({ min: 1, max: 5 }),
  executionmode: fc.constantFrom('serial', 'parallel'),
  timeinterval: fc.constantFrom(0, 15, 120),
});
type Setup = typeof setups extends fc.Arbitrary<infer T> ? T : never;

const events = fc.array(
  fc.record({
    at: fc.nat(),
    what: fc.constantFrom(...HAPPENINGS),
    afterSeconds: fc.integer({ min: 0, max: 60 }),
  }),
  { maxLength: 80 },
);

/** A fleet that agents, kubelets and people change, and the controller's decisions about it. */
class Model {
  readonly nodes = new Map<string, NodeState>();
  readonly progresses = new Map<string, OSUpgradeProgress>();
  subject: OS;
  nowMs = NOW_MS;

  constructor({ count, done, ...spec }: Setup) {
    this.subject = os('up', spec, null);
    for (let i = 0; i < count + done; i++) {
      const name = `n${String(i).padStart(2, '0')}`;
      this.nodes.set(name, node(name, { osImage: i % 3 === 0 && i / 3 < done ? NEW : OLD }));
    }
  }

  get isSerial(): boolean {
    return this.subject.spec.executionmode === 'serial';
  }

  decide(isReversed = false): RequestDecision {
    const put = fleet([...this.nodes.values()], [this.subject], [...this.progresses.values()]);
    const nodes = isReversed ? put.nodes.toReversed() : put.nodes;
    return decideRequest({
      ...asked(this.subject),
      fleet: { ...put, nodes },
      serverVersion: '',
      nowMs: this.nowMs,
      defaultZone: 'UTC',
    });
  }

  /** Nodes that are out of service, or count as if they were. */
  out(): Set<string> {
    return new Set(
      [...this.nodes.values()]
        .filter(({ name, ready, unschedulable }) => !ready || unschedulable || this.isBusyOrFailed(name))
        .map(({ name }) => name),
    );
  }

  isBusyOrFailed(name: string): boolean {
    const object = this.progresses.get(name);
    return object !== undefined && (isActive(object) || object.status?.phase === 'Failed');
  }

  busy(): string[] {
    return [...this.progresses.values()].filter(isActive).map(({ spec }) => spec.nodeName);
  }

  /** The controller looks and acts, and what it promises holds. */
  reconcile(): RequestDecision {
    const decision = this.decide();
    const chosen = decision.plans.map(plan => plan.node.name);
    const { maxunavailable } = this.subject.spec;
    if (chosen.length > 0)
      expect(this.out().union(new Set(chosen)).size, 'budget').to.be.at.most(maxunavailable);
    if (this.isSerial && chosen.length > 0) expect([...this.busy(), ...chosen], 'serial').to.have.length(1);
    for (const on of chosen) {
      expect(this.nodes.get(on)?.osImage, 'only what is not done').to.equal(OLD);
      const age = (NOW_MS - this.nowMs) / 1000;
      this.progresses.set(on, progress({ kind: 'OS', on, age }));
    }
    for (const { node: of, isInBatch } of decision.turns)
      this.change(of.name, { labels: isInBatch ? { 'upgrade.openeuler.org/serial': '' } : {} });
    this.subject = { ...this.subject, status: decision.status };
    return decision;
  }

  change(name: string, more: Partial<NodeState>): void {
    const before = this.nodes.get(name);
    if (before !== undefined) this.nodes.set(name, { ...before, ...more });
  }

  happen(name: string, what: Happening): void {
    if (what === 'step') this.step(name);
    else if (what === 'fail') this.tell(name, 'Failed');
    else if (what === 'retry') this.retry(name);
    else if (what === 'lose' || what === 'find') this.change(name, { ready: what === 'find' });
    else this.change(name, { unschedulable: what === 'cordon' });
  }

  /** The agent of a node does the next thing. */
  step(name: string): void {
    const object = this.progresses.get(name);
    if (object === undefined || !isActive(object)) return;
    const at = isTerminal(object) ? -1 : ORDER.indexOf(object.status?.phase);
    const phase = PHASES[at + 1] ?? 'Completed';
    if (phase === 'Completed') this.change(name, { osImage: NEW });
    this.tell(name, phase);
  }

  tell(name: string, phase: (typeof PHASES)[number] | 'Failed'): void {
    const object = this.progresses.get(name);
    if (object === undefined || !isActive(object)) return;
    const at = new Date(this.nowMs).toISOString();
    const { retryNonce } = object.spec;
    const status = {
      phase,
      attempt: 1,
      lastUpdatedAt: at,
      ...(retryNonce === undefined ? {} : { observedRetryNonce: retryNonce }),
      ...(phase === 'Completed' ? { completedAt: at } : {}),
      ...(phase === 'Failed' ? { failureReason: 'ChecksumMismatch' } : {}),
    };
    this.progresses.set(name, { ...object, status });
  }

  retry(name: string): void {
    const object = this.progresses.get(name);
    if (object?.status?.phase !== 'Failed') return;
    this.progresses.set(name, { ...object, spec: { ...object.spec, retryNonce: `at ${this.nowMs}` } });
  }

  /** Nobody disturbs any more: how many looks until all is done. */
  finish(): number {
    for (const name of this.nodes.keys()) {
      for (const what of ['find', 'uncordon', 'retry'] as const) this.happen(name, what);
    }
    for (let looks = 1; looks < 500; looks++) {
      const { status } = this.reconcile();
      if (status.conditions?.some(({ type, status: is }) => type === 'Complete' && is === 'True'))
        return looks;
      for (const name of this.busy()) this.step(name);
      this.nowMs += 60_000;
    }
    return Number.POSITIVE_INFINITY;
  }
}

const play = (setup: Setup, happenings: readonly { at: number; what: Happening; afterSeconds: number }[]) => {
  const model = new Model(setup);
  model.reconcile();
  for (const { at, what, afterSeconds } of happenings) {
    model.nowMs += afterSeconds * 1000;
    const name = [...model.nodes.keys()][at % model.nodes.size];
    if (name !== undefined) model.happen(name, what);
    model.reconcile();
  }
  return model;
};

describe('rollouts of random fleets', function () {
  this.timeout(60_000);

  it('keep the budget, go one by one when serial, and finish every node in the end', () =>
    fc.assert(
      fc.property(setups, events, (setup, happenings) => {
        const model = play(setup, happenings);
        expect(model.finish()).to.be.finite;
        expect(new Set([...model.nodes.values()].map(({ osImage }) => osImage))).to.deep.equal(
          new Set([NEW]),
        );
      }),
      { numRuns: 300 },
    ));

  it('are decided the same whatever order the nodes come in, and a second look changes nothing', () =>
    fc.assert(
      fc.property(setups, events, (setup, happenings) => {
        const model = play(setup, happenings);
        const [one, other] = [model.decide(), model.decide(true)];
        expect(other.plans.map(plan => plan.node.name)).to.deep.equal(one.plans.map(plan => plan.node.name));
        expect(other.status).to.deep.equal(one.status);
        expect(one.plans, 'what could begin has begun').to.deep.equal([]);
        expect(one.status).to.deep.equal(model.subject.status);
      }),
      { numRuns: 300 },
    ));
});
