import { OSINSTANCE_NAMESPACE } from '../../api/openeuler/index.ts';
import { hasBegunDraining } from '../../domain/progress.ts';
import type { ControllerContext } from '../context.ts';
import { asTransientIfGone } from '../gone.ts';
import { carryOutOnNode } from './act.ts';
import { decideNode } from './decide.ts';
import type { NodeAction } from './decision.ts';
import type { DrainSessions } from './drain-sessions.ts';

/** Works on one node; resolves to the delay after which it is to be looked at again, if any. */
export type NodeReconciler = (name: string) => Promise<number | undefined>;

const BEHIND_MS = 1000;

/** Makes the reconciler of nodes and of the plans on them. */
export function createNodeReconciler(context: ControllerContext, sessions: DrainSessions): NodeReconciler {
  const { fleet, world, clock, ownWrites } = context;
  const reserved = new Set<string>();

  const isBehind = (name: string): boolean => {
    const { nodesByName, progressesByNode } = fleet.read();
    const node = nodesByName.get(name);
    const metas = (progressesByNode.get(name) ?? []).map(({ metadata }) => metadata);
    return [...metas, node, node?.instance]
      .filter(object => object !== undefined)
      .some(object => ownWrites.isBehind(object.uid, object.resourceVersion));
  };

  return async name => {
    if (isBehind(name)) return BEHIND_MS;
    const nowMs = clock.nowMs();
    const decision = decideNode({
      name,
      fleet: fleet.read(),
      hasInstance: world.instances.get({ name, namespace: OSINSTANCE_NAMESPACE }) !== undefined,
      reserved,
      drain: sessions.view(name),
      nowMs,
      defaultZone: context.timeZone,
      systemNamespace: context.namespace,
    });
    // Counted from now on, so that no other node takes the same place of the budget meanwhile. Also after a write that
    // failed, as it may have been done all the same: this node's next turn tells.
    if (decision.actions.some(beginsDrain)) reserved.add(name);
    else reserved.delete(name);
    if (decision.watchPods) sessions.open(name);
    else sessions.close(name);
    for (const action of decision.actions)
      await carryOutOnNode({ context, sessions }, name, action).catch(asTransientIfGone);
    const isEvicting = decision.actions.some(({ type }) => type === 'evict');
    if (isEvicting) return 0;
    return decision.recheckAtMs === undefined ? undefined : Math.max(0, decision.recheckAtMs - nowMs);
  };
}

const beginsDrain = (action: NodeAction): boolean =>
  action.type === 'gate' && action.gate.state === 'Draining' && !hasBegunDraining(action.progress);
