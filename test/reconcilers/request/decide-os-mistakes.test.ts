import { NEW, node, progress, rollback, stored, testGroups, three, up } from './os-cases.ts';

describe('decideRequest for an OS: what is wrong', () =>
  testGroups({
    'what is not there yet, and what is wrong': [
      ...(
        [
          ['config', { opstype: 'config' }, /spec\.opstype "config"/],
          ['settings', { sysconfigs: { version: 'v1' } }, /spec\.sysconfigs/],
          ['settings without a version', { sysconfigs: { configs: [{ model: 'x' }] } }, /spec\.sysconfigs/],
          ['settings before the upgrade', { upgradeconfigs: { version: 'v1' } }, /spec\.upgradeconfigs/],
        ] as const
      ).map(([name, spec, message]) => ({
        name: `${name}: refused by name`,
        nodes: three,
        request: up(spec, NEW),
        plans: [],
        phase: 'Rejected',
        reason: 'ConfigUnsupported',
        message,
      })),
      {
        name: 'the empty settings of clients in Go are none',
        nodes: three,
        request: up({
          sysconfigs: { version: '', configs: [] },
          upgradeconfigs: { version: '' },
        }),
        plans: ['n1'],
      },
      {
        name: 'settings that come while it runs end it, also when all is done',
        nodes: [node('n1', { osImage: 'KubeOS 1.0.1' })],
        request: { ...up(), spec: { ...up().spec, sysconfigs: { version: 'v2' } } },
        plans: [],
        phase: 'Rejected',
        reason: 'ConfigUnsupported',
      },
      {
        name: 'without them it begins again, what was cancelled included',
        nodes: [node('n1')],
        request: up(
          {},
          { phase: 'Rejected', reason: 'ConfigUnsupported', rolloutKey: 'with-settings', rollout: 2 },
        ),
        progresses: [
          progress({
            on: 'n1',
            rollout: 1,
            gate: { state: 'Cancelled', attempt: 1 },
            status: { phase: 'Failed', attempt: 1, failureReason: 'RequestChanged' },
          }),
        ],
        plans: ['n1'],
        phase: 'Accepted',
      },
      {
        name: 'plain http without flagSafe goes through: the agent refuses it, and its log tells',
        nodes: three,
        request: up({ imageurl: 'http://a.example/os.tar', flagSafe: false }),
        plans: ['n1'],
      },
      {
        name: 'what an older schema let through is told, field by field',
        nodes: three,
        request: stored({
          osversion: 'KubeOS 1.0.1',
          opstype: 'upgrade',
          maxunavailable: 1,
          imagetype: 'iso',
        }),
        plans: [],
        phase: 'Rejected',
        reason: 'SpecInvalid',
        message: /imagetype/,
      },
      {
        name: 'no spec at all',
        nodes: three,
        request: stored({}),
        plans: [],
        phase: 'Rejected',
        reason: 'SpecInvalid',
        message: /osversion/,
      },
      {
        name: 'a rejected one stays so while nobody changes it, though it could be done by now',
        nodes: [node('n1', { otherPrettyName: 'KubeOS 0.9.0' })],
        request: up(rollback, { phase: 'Rejected', reason: 'RollbackImpossible', message: 'x' }),
        plans: [],
        phase: 'Rejected',
      },
    ],
  }));
