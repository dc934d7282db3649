import { OSINSTANCE_NAMESPACE } from '../api/openeuler/index.ts';
import { StalledError } from '../domain/errors.ts';
import type { FullKubeClient } from '../kube/client.ts';
import type { Resource, Selection } from '../kube/types.ts';
import { type CliContext, note } from './context.ts';
import type { FleetObjects } from './fleet.ts';

/** One kind of object that the picture is made of, and those there were at the start. */
export interface FleetKind<T> {
  readonly resource: Resource<T>;
  readonly selection: Selection;
  readonly isAllowed: boolean;
  readonly items: readonly T[];
}

/** The kinds that the picture is made of. */
export type FleetKinds = { readonly [K in keyof FleetObjects]: FleetKind<FleetObjects[K][number]> };

/** Lists each kind; one that the caller may not list is left out with a note. */
export async function listKinds(client: FullKubeClient, context: CliContext): Promise<FleetKinds> {
  const { NODES, OSES, OSINSTANCES, OSUPGRADE_PROGRESSES, OSUPGRADES } = await import('../kube/resources.ts');
  const list = async <T>(resource: Resource<T>, selection: Selection = {}): Promise<FleetKind<T>> => {
    const bounds = { signal: context.signal };
    const items = await client.list(resource, selection, bounds).catch(unlessForbidden);
    return { resource, selection, isAllowed: items !== undefined, items: items ?? [] };
  };
  const [upgrades, oses, progresses, instances, nodes] = await Promise.all([
    list(OSUPGRADES),
    list(OSES),
    list(OSUPGRADE_PROGRESSES),
    list(OSINSTANCES, { namespace: OSINSTANCE_NAMESPACE }),
    list(NODES),
  ]);
  const kinds = { upgrades, oses, progresses, instances, nodes };
  for (const { isAllowed, resource } of Object.values(kinds)) {
    if (!isAllowed)
      note(context, `ctl: ${resource.kind} objects are not shown: you may not list them (RBAC)`);
  }
  return kinds;
}

function unlessForbidden(error: unknown): undefined {
  if (error instanceof StalledError && error.reason === 'Forbidden') return undefined;
  throw error;
}

/** The objects that there were at the start. */
export const objectsOf = ({ upgrades, oses, progresses, instances, nodes }: FleetKinds): FleetObjects => ({
  upgrades: upgrades.items,
  oses: oses.items,
  progresses: progresses.items,
  instances: instances.items,
  nodes: nodes.items,
});
