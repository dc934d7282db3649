import { expect } from 'chai';
import { isTransient, reasonOf, StalledError } from '../../src/domain/errors.ts';
import { isExpired, parseStatus, toError } from '../../src/kube/api-errors.ts';
import { answerOf } from '../../src/kube/evict.ts';
import { toMicroTime } from '../../src/kube/lease.ts';
import { collectionPath, objectPath, selectionQuery } from '../../src/kube/paths.ts';
import {
  CONFIG_MAPS,
  LEASES,
  NODES,
  OSINSTANCES,
  OSUPGRADE_PROGRESSES,
  OSUPGRADES,
  PODS,
} from '../../src/kube/resources.ts';

const META = { name: 'a', uid: 'u', resourceVersion: '7' };

describe('kube/paths', () => {
  for (const [want, got] of [
    ['/api/v1/nodes', collectionPath(NODES)],
    ['/api/v1/pods', collectionPath(PODS)],
    ['/api/v1/namespaces/x/pods', collectionPath(PODS, 'x')],
    ['/apis/monok8s.io/v1alpha1/osupgrades', collectionPath(OSUPGRADES, 'ignored')],
    ['/apis/coordination.k8s.io/v1/namespaces/x/leases/a', objectPath(LEASES, { name: 'a', namespace: 'x' })],
    ['/api/v1/nodes/a%2F..%2Fb/status', objectPath(NODES, { name: 'a/../b' }, 'status')],
  ] as const)
    it(`makes ${want}`, () => expect(got).to.equal(want));

  it('refuses an object that is not wholly named', () => {
    expect(() => objectPath(PODS, { name: 'a' })).to.throw(/without its namespace/);
    expect(() => objectPath(NODES, { name: '' })).to.throw(/without a name/);
  });

  it('asks for no more than what was selected', () =>
    expect(selectionQuery({ namespace: 'x', fieldSelector: 'spec.nodeName=n1' })).to.deep.equal({
      fieldSelector: 'spec.nodeName=n1',
    }));
});

describe('kube/api-errors', () => {
  const status = (code: number, reason: string, causes: object[] = []) => ({
    kind: 'Status',
    code,
    reason,
    message: `message of ${reason}`,
    details: { causes },
  });
  const CASES: { name: string; code: number; body: unknown; reason: string; transient: boolean }[] = [
    ...(
      [
        [400, 'BadRequest', false],
        [401, 'Unauthorized', true],
        [403, 'Forbidden', false],
        [404, 'NotFound', false],
        [409, 'AlreadyExists', false],
        [409, 'Conflict', true],
        [410, 'Expired', true],
        [422, 'Invalid', false],
        [429, 'TooManyRequests', true],
        [500, 'InternalError', true],
        [503, 'ServiceUnavailable', true],
        [504, 'Timeout', true],
      ] as const
    ).map(([code, reason, transient]) => ({
      name: `a Status of ${code}`,
      code,
      body: status(code, reason),
      reason,
      transient,
    })),
    { name: 'a proxy that answers in HTML', code: 502, body: '<html>', reason: 'Http502', transient: true },
    {
      name: 'a Status without a reason',
      code: 503,
      body: { kind: 'Status' },
      reason: 'ServiceUnavailable',
      transient: true,
    },
    {
      name: 'something that is no Status',
      code: 409,
      body: { reason: 'Odd' },
      reason: 'Conflict',
      transient: true,
    },
    { name: 'nothing at all', code: 404, body: null, reason: 'NotFound', transient: false },
  ];
  for (const c of CASES)
    it(`takes ${c.name} for ${c.reason}, ${c.transient ? 'transient' : 'for a person to solve'}`, () => {
      const error = toError('get x', parseStatus(c.code, c.body));
      expect(reasonOf(error)).to.equal(c.reason);
      expect(isTransient(error)).to.equal(c.transient);
      expect(error.message).to.match(/^get x: ./);
    });

  it('knows what has to be listed anew', () => {
    const of = (code: number, cause?: string) =>
      isExpired(
        toError('x', parseStatus(code, status(code, 'R', cause ? [{ reason: cause, message: '' }] : []))),
      );
    expect([of(410), of(504, 'ResourceVersionTooLarge'), of(504), of(500)]).to.deep.equal([
      true,
      true,
      false,
      false,
    ]);
  });

  const refusal = (reason: string, message: string) =>
    answerOf(toError('evict', parseStatus(429, status(429, 'TooManyRequests', [{ reason, message }]))));
  it('tells a budget that forbids an eviction from a server that is busy', () => {
    const message = 'The disruption budget keep-it needs 2 healthy pods and has 2 currently';
    expect(refusal('DisruptionBudget', message)).to.deep.equal({
      outcome: 'refused',
      budget: 'keep-it',
      message,
    });
    expect(refusal('DisruptionBudget', 'something new')).to.deep.equal({
      outcome: 'refused',
      message: 'something new',
    });
    expect(refusal('', 'busy')).to.equal(undefined);
  });
});

describe('kube/resources', () => {
  it('keeps of a node what the rules look at', () => {
    const raw = {
      metadata: {
        ...META,
        labels: { l: '1' },
        annotations: { a: '1', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
        managedFields: [{}],
      },
      spec: { unschedulable: true, podCIDR: '10.0.0.0/24' },
      status: {
        images: [{}],
        conditions: [
          { type: 'MemoryPressure', status: 'False' },
          { type: 'Ready', status: 'True' },
        ],
        nodeInfo: { bootID: 'b', osImage: 'OS 1' },
      },
    };
    expect(NODES.parse(raw)).to.deep.equal({
      ...META,
      labels: { l: '1' },
      annotations: { a: '1' },
      unschedulable: true,
      ready: true,
      bootId: 'b',
      osImage: 'OS 1',
    });
    expect(NODES.parse({ metadata: META })).to.deep.equal({
      ...META,
      labels: {},
      annotations: {},
      unschedulable: false,
      ready: false,
      bootId: '',
      osImage: '',
    });
  });

  it('keeps of a pod what draining looks at', () => {
    const raw = {
      metadata: {
        ...META,
        namespace: 'n',
        labels: { app: 'x' },
        annotations: { 'kubernetes.io/config.mirror': 'hash' },
        deletionTimestamp: '2026-01-01T00:00:00Z',
        ownerReferences: [
          { kind: 'Other', name: 'o', uid: 'o1', apiVersion: 'v1' },
          { kind: 'DaemonSet', name: 'd', uid: 'd1', apiVersion: 'apps/v1', controller: true },
        ],
      },
      spec: {
        nodeName: 'n1',
        serviceAccountName: 'sa',
        terminationGracePeriodSeconds: 30,
        containers: [
          { name: 'c', image: 'i:1' },
          { name: 'd', image: 'j:1' },
        ],
        volumes: [{ name: 'v', emptyDir: {} }],
      },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    };
    expect(PODS.parse(raw)).to.deep.equal({
      ...META,
      namespace: 'n',
      nodeName: 'n1',
      labels: { app: 'x' },
      ownerKind: 'DaemonSet',
      ownerUid: 'd1',
      isMirror: true,
      hasEmptyDir: true,
      phase: 'Running',
      deletionTimestamp: '2026-01-01T00:00:00Z',
      terminationGracePeriodSeconds: 30,
      serviceAccountName: 'sa',
      image: 'i:1',
      ready: true,
    });
    expect(PODS.parse({ metadata: { ...META, namespace: 'n' } })).to.deep.equal({
      ...META,
      namespace: 'n',
      nodeName: '',
      labels: {},
      isMirror: false,
      hasEmptyDir: false,
      phase: 'Unknown',
      serviceAccountName: '',
      image: '',
      ready: false,
    });
  });

  it('drops managedFields and fills in defaults of our kinds', () => {
    const raw = {
      metadata: { ...META, managedFields: [{}] },
      spec: { version: 'v1.2.3', catalog: { inline: 'x' } },
    };
    const parsed = OSUPGRADES.parse(raw);
    expect(parsed.metadata).to.deep.equal(META);
    expect(parsed.spec).to.deep.include({ maxUnavailable: 1, paused: false, nodeSelector: {} });
    expect(parsed).to.not.have.property('status');
  });

  it('takes a status that someone spoiled for none, and refuses a spec that is wrong', () => {
    const spec = { sourceRef: { name: 's' }, nodeName: 'n1' };
    const good = OSUPGRADE_PROGRESSES.parse({
      metadata: META,
      spec,
      status: { phase: 'Pending', startedAt: null },
    });
    expect(good.status).to.deep.equal({ phase: 'Pending', startedAt: null });
    const spoiled = OSUPGRADE_PROGRESSES.parse({ metadata: META, spec, status: { phase: 'Dancing' } });
    expect(spoiled).to.not.have.property('status');
    expect(() => OSUPGRADE_PROGRESSES.parse({ metadata: META, spec: {} }))
      .to.throw(StalledError)
      .that.has.property('reason', 'ObjectInvalid');
    expect(OSINSTANCES.parse({ metadata: { ...META, namespace: 'default' } }).spec).to.deep.equal({});
  });

  it('refuses what has no identity', () =>
    expect(() => CONFIG_MAPS.parse({ metadata: { name: 'a' } })).to.throw(StalledError));

  it('writes times of Leases with six decimals', () =>
    expect(toMicroTime(1_700_000_000_123)).to.equal('2023-11-14T22:13:20.123000Z'));
});
