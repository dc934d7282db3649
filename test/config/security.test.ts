import { expect } from 'chai';
import { stringify } from 'yaml';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { eventually } from '../env/wait.ts';

const NODES = ['n1', 'n2'] as const;
const LABEL = 'upgrade.openeuler.org/osinstance-node';

const node = (name: string) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } });

const agentPod = (nodeName: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: `agent-${nodeName}`, namespace: 'mono-system' },
  spec: {
    nodeName,
    serviceAccountName: 'node-agent',
    automountServiceAccountToken: false,
    containers: [{ name: 'agent', image: 'twinslot:test' }],
  },
});

const progress = (nodeName: string, name = `progress-${nodeName}`) => ({
  apiVersion: 'monok8s.io/v1alpha1',
  kind: 'OSUpgradeProgress',
  metadata: { name },
  spec: { sourceRef: { name: 'my-upgrade' }, nodeName },
});

const instance = (name: string, metadata: object = {}, spec: object = { nodestatus: 'idle' }) => ({
  apiVersion: 'upgrade.openeuler.org/v1alpha1',
  kind: 'OSInstance',
  metadata: { name, namespace: 'default', labels: { [LABEL]: name }, ...metadata },
  spec,
});

const upgrade = {
  apiVersion: 'monok8s.io/v1alpha1',
  kind: 'OSUpgrade',
  metadata: { name: 'my-upgrade' },
  spec: { version: 'stable', catalog: { inline: 'images: []' } },
};

const os = {
  apiVersion: 'upgrade.openeuler.org/v1alpha1',
  kind: 'OS',
  metadata: { name: 'os-sample', namespace: 'default' },
  spec: { opstype: 'rollback', osversion: 'KubeOS 1.0.0', maxunavailable: 1 },
};

const event = (name: string, instance: string) => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name, namespace: 'default' },
  involvedObject: { apiVersion: 'v1', kind: 'Node', name: instance },
  type: 'Normal',
  reason: 'Completed',
  message: 'all is well',
  reportingComponent: 'node-agent',
  reportingInstance: instance,
});

const toYaml = (...objects: object[]): string => objects.map(object => stringify(object)).join('---\n');

/** A merge patch by kubectl. */
const patch = (kind: string, name: string, body: object, ...more: string[]): string[] => [
  ...['patch', kind, name, '--type=merge', `--patch=${JSON.stringify(body)}`, ...more],
];

const patchStatus = (kind: string, name: string): string[] =>
  patch(
    kind,
    name,
    { status: kind === 'osinstance' ? { bootLoader: 'grub' } : { phase: 'Pending' } },
    '--subresource=status',
  );

interface Attempt {
  readonly name: string;
  readonly args: readonly string[];
  readonly stdin?: object;
  /** Absent: it is allowed. */
  readonly refusal?: RegExp;
}

const create = (stdin: object, name: string, refusal?: RegExp): Attempt => ({
  name,
  args: ['create', '--filename=-'],
  stdin,
  ...(refusal && { refusal }),
});

const BY_RBAC = /cannot \w+ resource/;
const BY_POLICY = /ValidatingAdmissionPolicy 'node-agent'/;
const NOT_MINE = /to which the agent's token is bound/;
const NOT_FOR_AGENTS =
  /an agent writes only Events, and the status of its OSUpgradeProgress and its OSInstance/;
const NO_NODE = /the agent's token names no node: use the token of an agent's own Pod/;
const BAD_INSTANCE = /an agent creates its OSInstance in namespace default/;

/** What the agent on n1 tries, with exactly the roles of config/rbac. */
const AGENT_OF_N1: readonly Attempt[] = [
  { name: 'reads the progress objects', args: ['get', 'osupgradeprogresses'] },
  { name: 'reads a request by name', args: ['get', 'osupgrade', 'my-upgrade'] },
  { name: 'reads its node', args: ['get', 'node', 'n1'] },
  { name: 'reads its own Pod', args: ['get', 'pod', 'agent-n1', '--namespace=mono-system'] },
  { name: 'reports in its own progress object', args: patchStatus('osupgradeprogress', 'progress-n1') },
  create(instance('n1'), 'creates its own OSInstance'),
  create(event('of-n1', 'n1'), 'writes an Event'),
  { name: 'reports in its own OSInstance', args: patchStatus('osinstance', 'n1') },

  {
    name: "reports in n2's progress object",
    args: patchStatus('osupgradeprogress', 'progress-n2'),
    refusal: NOT_MINE,
  },
  { name: "reports in n2's OSInstance", args: patchStatus('osinstance', 'n2'), refusal: NOT_MINE },
  create(event('forged', 'n2'), "writes an Event in n2's name", NOT_MINE),
  create(instance('n3'), "creates another node's OSInstance", NOT_MINE),
  create(instance('n1', { name: 'n4' }), 'creates an OSInstance of another name', NOT_MINE),
  create(progress('n1', 'mine'), 'creates a progress object', BY_RBAC),
  create(upgrade, 'creates a request', BY_RBAC),
  create(
    { ...os, metadata: { ...os.metadata, name: 'mine' } },
    'creates an OS, which would own the nodes',
    BY_RBAC,
  ),
  {
    name: 'changes an OS',
    args: patch('os', 'os-sample', { spec: { osversion: 'KubeOS 0.1' } }),
    refusal: BY_RBAC,
  },
  {
    name: 'judges an OS',
    args: patch('os', 'os-sample', { status: { phase: 'Accepted' } }, '--subresource=status'),
    refusal: BY_RBAC,
  },
  { name: 'reads the OS objects', args: ['get', 'os', '--all-namespaces'], refusal: BY_RBAC },
  { name: 'deletes an OS', args: ['delete', 'os', 'os-sample'], refusal: BY_RBAC },
  {
    name: 'changes the plan of its own progress object',
    args: patch('osupgradeprogress', 'progress-n1', { spec: { retryNonce: 'x' } }),
    refusal: BY_RBAC,
  },
  {
    name: 'deletes its own progress object',
    args: ['delete', 'osupgradeprogress', 'progress-n1'],
    refusal: BY_RBAC,
  },
  {
    name: "deletes n2's progress object",
    args: ['delete', 'osupgradeprogress', 'progress-n2'],
    refusal: BY_RBAC,
  },
  {
    name: 'changes the spec of its own OSInstance',
    args: patch('osinstance', 'n1', { spec: { nodestatus: 'upgrade' } }),
    refusal: BY_RBAC,
  },
  {
    name: "changes the spec of n2's OSInstance",
    args: patch('osinstance', 'n2', { spec: { nodestatus: 'upgrade' } }),
    refusal: BY_RBAC,
  },
  { name: "deletes n2's OSInstance", args: ['delete', 'osinstance', 'n2'], refusal: BY_RBAC },
  { name: 'labels its own node', args: ['label', 'node', 'n1', 'a=b'], refusal: BY_RBAC },
  { name: 'cordons n2', args: patch('node', 'n2', { spec: { unschedulable: true } }), refusal: BY_RBAC },
  { name: 'lists the requests', args: ['get', 'osupgrades'], refusal: BY_RBAC },
  {
    name: 'judges a request',
    args: patch('osupgrade', 'my-upgrade', { status: { phase: 'Accepted' } }, '--subresource=status'),
    refusal: BY_RBAC,
  },
  { name: 'reads Secrets', args: ['get', 'secrets', '--all-namespaces'], refusal: BY_RBAC },
  { name: 'reads ConfigMaps', args: ['get', 'configmaps', '--namespace=mono-system'], refusal: BY_RBAC },
  { name: 'lists Pods', args: ['get', 'pods', '--all-namespaces'], refusal: BY_RBAC },
  {
    name: "deletes n2's agent",
    args: ['delete', 'pod', 'agent-n2', '--namespace=mono-system'],
    refusal: BY_RBAC,
  },
  {
    name: 'makes itself a token',
    args: ['create', 'token', 'os-controller', '--namespace=mono-system'],
    refusal: BY_RBAC,
  },
  {
    name: "takes the controller's Lease",
    args: patch('lease', 'os-controller', { spec: { holderIdentity: 'me' } }, '--namespace=mono-system'),
    refusal: BY_RBAC,
  },
];

/** What the policy alone refuses the agent on n1, had somebody given the agents every right. */
const AGENT_WITH_EVERY_RIGHT: readonly Attempt[] = [
  { name: 'reports in its own progress object', args: patchStatus('osupgradeprogress', 'progress-n1') },
  {
    name: "reports in n2's progress object",
    args: patchStatus('osupgradeprogress', 'progress-n2'),
    refusal: NOT_MINE,
  },
  { name: "reports in n2's OSInstance", args: patchStatus('osinstance', 'n2'), refusal: NOT_MINE },
  { name: 'counts its own Event', args: patch('event', 'of-n1', { count: 2 }) },
  {
    name: "changes an Event of n2's agent",
    args: patch('event', 'of-n2', { message: 'all is well' }),
    refusal: NOT_MINE,
  },
  {
    name: "makes its Event one of n2's agent",
    args: patch('event', 'of-n1', { reportingInstance: 'n2' }),
    refusal: NOT_MINE,
  },
  create(progress('n1', 'mine'), 'creates a progress object', NOT_FOR_AGENTS),
  create(upgrade, 'creates a request', NOT_FOR_AGENTS),
  create({ ...os, metadata: { ...os.metadata, name: 'mine' } }, 'creates an OS', NOT_FOR_AGENTS),
  {
    name: 'changes an OS',
    args: patch('os', 'os-sample', { spec: { osversion: 'KubeOS 0.1' } }),
    refusal: NOT_FOR_AGENTS,
  },
  {
    name: 'judges an OS',
    args: patch('os', 'os-sample', { status: { phase: 'Accepted' } }, '--subresource=status'),
    refusal: NOT_FOR_AGENTS,
  },
  {
    name: 'changes the spec of its own OSInstance',
    args: patch('osinstance', 'n1', { spec: { nodestatus: 'upgrade' } }),
    refusal: NOT_FOR_AGENTS,
  },
  {
    name: "changes the spec of n2's OSInstance",
    args: patch('osinstance', 'n2', { spec: { nodestatus: 'upgrade' } }),
    refusal: NOT_FOR_AGENTS,
  },
  {
    name: 'changes the plan of its own progress object',
    args: patch('osupgradeprogress', 'progress-n1', { spec: { retryNonce: 'x' } }),
    refusal: NOT_FOR_AGENTS,
  },
  {
    name: 'deletes its own progress object',
    args: ['delete', 'osupgradeprogress', 'progress-n1'],
    refusal: NOT_FOR_AGENTS,
  },
  {
    name: 'deletes all progress objects',
    args: ['delete', 'osupgradeprogress', '--all'],
    refusal: NOT_FOR_AGENTS,
  },
  { name: 'labels its own OSInstance', args: ['label', 'osinstance', 'n1', 'a=b'], refusal: NOT_FOR_AGENTS },
  { name: 'deletes its own OSInstance', args: ['delete', 'osinstance', 'n1'], refusal: NOT_FOR_AGENTS },
  { name: 'labels its own node', args: ['label', 'node', 'n1', 'a=b'], refusal: NOT_FOR_AGENTS },
  {
    name: "reports n2's health",
    args: patch('node', 'n2', { status: { phase: 'Running' } }, '--subresource=status'),
    refusal: NOT_FOR_AGENTS,
  },
  create(
    instance('n1', { namespace: 'mono-system' }),
    'creates its OSInstance in another namespace',
    BAD_INSTANCE,
  ),
];

/** What an agent's OSInstance must not be like when it is created. */
const BAD_INSTANCES: readonly Attempt[] = [
  create(instance('n5', { labels: {} }), 'without the label', BAD_INSTANCE),
  create(instance('n5', { labels: { [LABEL]: 'n2' } }), "with another node's label", NOT_MINE),
  create(instance('n5', {}, { sysconfigs: { version: 'v1' } }), 'with settings', BAD_INSTANCE),
  create(instance('n5', {}, { namespacedname: { name: 'a', namespace: 'b' } }), 'with a task', BAD_INSTANCE),
  create(instance('n5', { finalizers: ['example.com/stay'] }), 'with a finalizer', BAD_INSTANCE),
  create(
    instance('n5', { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n2', uid: 'u' }] }),
    'owned by another node',
    BAD_INSTANCE,
  ),
  create(
    instance('n5', { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n5', uid: 'u' }] }),
    'rightly: owned by its node',
  ),
];

/** What a token says nothing of its node tries. */
const WITHOUT_NODE: readonly Attempt[] = [
  {
    name: 'reports in a progress object',
    args: patchStatus('osupgradeprogress', 'progress-n1'),
    refusal: NO_NODE,
  },
  { name: 'reports in an OSInstance', args: patchStatus('osinstance', 'n2'), refusal: NO_NODE },
  create(instance('n6'), 'creates an OSInstance', NO_NODE),
];

describe('what a stolen credential is good for', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  const kubeconfigs = new Map<string, string>();

  before(async () => {
    cluster = await startCluster({ name: 'security', scheduler: false, nodeMonitorGraceSeconds: 3600 });
    await cluster.installTwinslot();
    const objects = ['n1', 'n2', 'n5'].flatMap(name => [node(name), agentPod(name)]);
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'os-controller', namespace: 'mono-system' },
    };
    const stdin = toYaml(
      ...objects,
      ...NODES.map(name => progress(name)),
      instance('n2'),
      event('of-n2', 'n2'),
      upgrade,
      os,
      lease,
    );
    await cluster.kubectl(['create', '--filename=-'], { stdin });
    const identity = { namespace: 'mono-system', serviceAccount: 'node-agent' };
    for (const name of ['n1', 'n5'])
      kubeconfigs.set(
        name,
        await cluster.serviceAccountKubeconfig({ ...identity, boundPod: { name: `agent-${name}` } }),
      );
    kubeconfigs.set('no node', await cluster.serviceAccountKubeconfig(identity));
    await policyInForce();
  });
  after(() => cluster?.stop());

  const run = ({ args, stdin }: Attempt, who: string) =>
    cluster.kubectl(args, {
      kubeconfig: kubeconfigs.get(who) ?? '',
      allowFailure: true,
      ...(stdin && { stdin: toYaml(stdin) }),
    });

  /** The API server needs a moment to load a new policy. */
  async function policyInForce(): Promise<void> {
    const probe: Attempt = { name: 'probe', args: patchStatus('osupgradeprogress', 'progress-n2') };
    await eventually(async () => BY_POLICY.test((await run(probe, 'n1')).stderr), {
      timeoutMs: 20_000,
      what: 'the policy is in force',
    });
  }

  const check = (attempts: readonly Attempt[], who: string) => {
    for (const attempt of attempts)
      it(`${attempt.name}: ${attempt.refusal ? 'refused' : 'allowed'}`, async () => {
        const { code, stderr } = await run(attempt, who);
        if (attempt.refusal === undefined) return expect(code, stderr).to.equal(0);
        expect(code, 'it was allowed').to.equal(1);
        return expect(stderr).to.match(attempt.refusal);
      });
  };

  it('the tokens are those of the agents on their nodes', async () => {
    const { stdout } = await cluster.kubectl(['auth', 'whoami', '--output=json'], {
      kubeconfig: kubeconfigs.get('n1') ?? '',
    });
    const { userInfo } = JSON.parse(stdout).status;
    expect(userInfo.username).to.equal('system:serviceaccount:mono-system:node-agent');
    expect(userInfo.extra['authentication.kubernetes.io/node-name']).to.deep.equal(['n1']);
  });

  describe('the agent on n1', () => check(AGENT_OF_N1, 'n1'));
  describe('an agent on n5 creates its OSInstance', () => check(BAD_INSTANCES, 'n5'));
  describe('a token without a node', () => check(WITHOUT_NODE, 'no node'));

  describe('the agent on n1, were the agents cluster administrators', () => {
    before(() =>
      cluster.kubectl([
        ...['create', 'clusterrolebinding', 'too-much', '--clusterrole=cluster-admin'],
        '--serviceaccount=mono-system:node-agent',
      ]),
    );
    after(() => cluster.kubectl(['delete', 'clusterrolebinding', 'too-much']));
    check(AGENT_WITH_EVERY_RIGHT, 'n1');
  });

  describe('the controller', () => {
    const may = [
      'create pods --subresource=eviction --all-namespaces',
      'list os --all-namespaces',
      'patch os --subresource=status --all-namespaces',
      'create events --namespace=kube-system',
      'patch osinstances --namespace=default',
      'delete osinstances --namespace=default',
    ];
    const mayNot = [
      'get secrets',
      'get configmaps',
      'delete pods',
      'create pods',
      'delete nodes',
      'update nodes',
      'patch nodes --subresource=status',
      'patch osupgrades',
      'delete osupgrades',
      ...['create', 'update', 'patch', 'delete'].map(verb => `${verb} os`),
      'update os --subresource=status',
      'get osinstances',
      'patch osinstances',
      'delete osinstances',
      'get events',
      'delete events',
      'create clusterrolebindings',
      'create serviceaccounts --subresource=token',
    ].map(what => `${what} --all-namespaces`);
    const mayNotInDefault = [
      'create osinstances --namespace=default',
      'patch osinstances --subresource=status --namespace=default',
    ];
    const canI = (what: string) => canDo(what, 'system:serviceaccount:mono-system:os-controller');
    for (const what of may) it(`may ${what}`, async () => expect(await canI(what)).to.equal('yes'));
    for (const what of [...mayNot, ...mayNotInDefault])
      it(`may not ${what}`, async () => expect(await canI(what)).to.equal('no'));
  });

  const canDo = async (what: string, user: string) => {
    const args = ['auth', 'can-i', ...what.split(' '), `--as=${user}`];
    return (await cluster.kubectl(args, { allowFailure: true })).stdout.trim();
  };

  describe('whoever has one of the roles for everybody: view, edit, admin', () => {
    before(async () => {
      for (const role of ['view', 'edit', 'admin'])
        await cluster.kubectl([
          ...['create', 'rolebinding', role, `--clusterrole=${role}`, `--user=${role}-user`],
          '--namespace=default',
        ]);
    });

    it('has got it', () =>
      eventually(async () => (await canDo('create pods', 'admin-user')) === 'yes', {
        timeoutMs: 10_000,
        what: 'an admin may create pods',
      }));
    for (const role of ['view', 'edit', 'admin'])
      for (const kind of ['os', 'osinstances', 'osupgrades', 'osupgradeprogresses'])
        it(`${role}: may neither write nor read ${kind}`, async () => {
          for (const verb of ['create', 'patch', 'delete', 'get'])
            expect(await canDo(`${verb} ${kind}`, `${role}-user`), verb).to.equal('no');
        });
  });

  it('an administrator is not concerned', async () => {
    await cluster.kubectl(['create', '--filename=-'], { stdin: toYaml(progress('n2', 'for-admin')) });
    await cluster.kubectl(patchStatus('osupgradeprogress', 'for-admin'));
    await cluster.kubectl(['delete', 'osupgradeprogress', 'for-admin']);
  });
});
