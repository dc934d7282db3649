import { expect } from 'chai';
import type { Candidate } from '../../src/agent/decide/attempt.ts';
import type { PinnedPlan } from '../../src/agent/decide/records.ts';
import { createResolver } from '../../src/agent/resolve.ts';
import type { OSUpgrade, OSUpgradeSpec } from '../../src/api/monok8s/index.ts';
import { OSUpgradeSpec as SpecSchema } from '../../src/api/monok8s/index.ts';
import { StalledError, TransientError } from '../../src/domain/errors.ts';
import type { KubeClient } from '../../src/kube/types.ts';
import { CHECKSUM, progress } from './build.ts';

const CATALOG = `
stable: v1.35.1
images:
  - { version: v1.35.1, url: "http://localhost:8000/a.zst", checksum: "${CHECKSUM}" }
  - { version: v1.35.4, url: "https://example.invalid/b.zst", checksum: sha256:abc }
blocked: [v1.34.9]
`;
const NOON = Date.UTC(2026, 10, 21, 12, 0, 0);

const upgrade = (spec: Partial<OSUpgradeSpec> = {}): OSUpgrade => ({
  apiVersion: 'monok8s.io/v1alpha1',
  kind: 'OSUpgrade',
  metadata: { name: 'my-upgrade', uid: 'u', resourceVersion: '1' },
  spec: { ...SpecSchema.parse({ version: 'v1.35.1', catalog: { inline: CATALOG } }), ...spec },
});

/** An API server that knows one request, and perhaps the controller's Lease. */
function resolverOf(world: {
  request?: OSUpgrade | undefined;
  hasLease?: boolean;
  error?: Error;
  isFull?: boolean;
}) {
  let pinned: PinnedPlan | undefined;
  let nowMs = 0;
  const calls: string[] = [];
  const no = async (): Promise<never> => Promise.reject(new Error('not to be called'));
  const client: KubeClient = {
    get: async resource => {
      calls.push(resource.kind);
      if (world.error) throw world.error;
      if (resource.kind === 'Lease')
        return world.hasLease
          ? resource.parse({ metadata: { name: 'l', uid: 'u', resourceVersion: '1' } })
          : undefined;
      return world.request && resource.parse(world.request);
    },
    ...{
      list: no,
      create: no,
      patch: no,
      patchStatus: no,
      delete: no,
      evict: no,
      serverVersion: no,
      whoAmI: no,
    },
    close: async () => undefined,
  };
  const resolver = createResolver({
    client,
    clock: { nowMs: () => NOON, monotonicMs: () => nowMs },
    pin: {
      load: async () => pinned,
      save: async value => {
        if (world.isFull) throw new StalledError('StateNotKept', 'no room');
        pinned = value;
      },
      clear: async () => undefined,
      hold: async () => undefined,
    },
    readCatalog: async ({ inline = '' }) => inline,
    zone: 'UTC',
  });
  const elapse = (ms: number) => {
    nowMs += ms;
  };
  return { resolver, calls, elapse, world };
}

function byHand(changes: Partial<Candidate> = {}): Candidate {
  const { plan, ...spec } = progress().spec;
  expect(plan).not.to.equal(undefined);
  return { object: { ...progress(), spec }, attempt: 1, isNew: true, ...changes };
}

describe('what an object asks for', () => {
  it('its plan, if it has one', async () => {
    const { resolver, calls } = resolverOf({});
    const object = progress();
    const answer = await resolver.resolve({ object, attempt: 1, isNew: true }, '1.34.1');
    expect(answer).to.deep.equal({ type: 'plan', plan: object.spec.plan, gated: true });
    expect(calls).to.deep.equal([]);
  });

  it('made by hand: the image of its request, without a gate', async () => {
    const answer = await resolverOf({ request: upgrade() }).resolver.resolve(byHand(), '1.34.1');
    expect(answer).to.deep.include({ type: 'plan', gated: false });
    expect(answer.type === 'plan' && answer.plan.image).to.deep.equal({
      url: 'http://localhost:8000/a.zst',
      checksum: CHECKSUM,
      flagSafe: true,
    });
  });

  it('stays the same for the attempt, whatever the catalog says later', async () => {
    const { resolver, world } = resolverOf({ request: upgrade() });
    const first = await resolver.resolve(byHand(), '1.34.1');
    world.request = undefined;
    expect(await resolver.resolve(byHand({ isNew: false }), '1.34.1')).to.deep.equal(first);
  });

  const REFUSED: [reason: string, spec: Partial<OSUpgradeSpec>, running?: string][] = [
    ['VersionNotInCatalog', { version: 'v1.35.3' }],
    ['VersionBlocked', { version: 'v1.34.9' }],
    ['ChecksumInvalid', { version: 'v1.35.4' }],
    ['CatalogMalformed', { catalog: { inline: 'images: [' } }],
    ['Downgrade', {}, '1.36.0'],
    ['VersionSkew', {}, '1.33.0'],
  ];
  for (const [reason, spec, running = '1.34.1'] of REFUSED) {
    it(`is refused as ${reason}`, async () => {
      const { resolver } = resolverOf({ request: upgrade(spec) });
      expect(await resolver.resolve(byHand(), running)).to.include({ type: 'refused', reason });
    });
  }

  const WAITS: [name: string, world: Parameters<typeof resolverOf>[0], says: string][] = [
    ['the controller', { hasLease: true, request: upgrade() }, 'waiting for the controller to add a plan'],
    ['its request', {}, 'there is no OSUpgrade my-upgrade'],
    ['a request that is paused', { request: upgrade({ paused: true }) }, 'is paused'],
    [
      'the window',
      { request: upgrade({ timeWindow: { startTime: '22:00:00', endTime: '23:00:00' } }) },
      'opens at 2026-11-21T22:00:00Z',
    ],
    ['the API server', { error: new TransientError('Unreachable', 'refused') }, 'refused'],
  ];
  for (const [name, world, says] of WAITS) {
    it(`waits for ${name}`, async () => {
      const answer = await resolverOf(world).resolver.resolve(byHand(), '1.34.1');
      expect(answer).to.include({ type: 'wait', retryInMs: 30_000 });
      expect(answer.type === 'wait' && answer.message).to.contain(says);
    });
  }

  it('asks no more often than every 30 seconds', async () => {
    const { resolver, calls, elapse, world } = resolverOf({});
    await resolver.resolve(byHand(), '1.34.1');
    world.request = upgrade();
    elapse(20_000);
    expect(await resolver.resolve(byHand(), '1.34.1')).to.include({ type: 'wait', retryInMs: 10_000 });
    expect(calls).to.deep.equal(['Lease', 'OSUpgrade']);
    elapse(10_000);
    expect(await resolver.resolve(byHand(), '1.34.1')).to.include({ type: 'plan' });
  });

  const STAGED: [name: string, change: Partial<Parameters<typeof resolverOf>[0]>, says: string][] = [
    ['its request is paused', { request: upgrade({ paused: true }) }, 'is paused'],
    ['its request is gone', { request: undefined }, 'was deleted: create it again'],
    ['nobody can be asked', { error: new TransientError('Unreachable', 'refused') }, 'my-upgrade: refused'],
    [
      'the time zone became a wrong one',
      { request: upgrade({ timeWindow: { startTime: '1', endTime: '2', timeZone: 'Mars/Base' } }) },
      'my-upgrade: ',
    ],
  ];
  for (const [name, change, says] of STAGED) {
    it(`holds a staged image while ${name}`, async () => {
      const { resolver, world } = resolverOf({ request: upgrade() });
      await resolver.resolve(byHand(), '1.34.1');
      Object.assign(world, change);
      const { object } = byHand();
      const staged = { ...object, status: { phase: 'Staged', attempt: 1 } } as const;
      const answer = await resolver.resolve(byHand({ object: staged, isNew: false }), '1.34.1');
      expect(answer.type === 'plan' && answer.hold?.message).to.contain(says);
    });
  }

  it('is refused where nothing can be remembered', async () => {
    const { resolver } = resolverOf({ request: upgrade(), isFull: true });
    expect(await resolver.resolve(byHand(), '1.34.1')).to.include({
      type: 'refused',
      reason: 'StateNotKept',
    });
  });

  it('may not be read: says what the API server says', async () => {
    const error = new StalledError('Forbidden', 'osupgrades is forbidden');
    const answer = await resolverOf({ error }).resolver.resolve(byHand(), '1.34.1');
    expect(answer).to.include({ type: 'refused', reason: 'Forbidden' });
  });
});
