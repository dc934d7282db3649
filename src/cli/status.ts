import type { Command } from 'commander';
import { OSINSTANCE_NAMESPACE } from '../api/openeuler/index.ts';
import { StalledError } from '../domain/errors.ts';
import type { FullKubeClient } from '../kube/client.ts';
import type { Resource, Selection } from '../kube/types.ts';
import { type CliContext, connect, note, print } from './context.ts';
import { describeNodes, describeRequests, type FleetObjects } from './fleet.ts';
import { drawNodes, drawRequests } from './fleet-view.ts';
import { watchFleet } from './status-watch.ts';

const HELP = `
Shows the requests, and for each node: its version and where it goes, the phase, how far the
download or the installation is, and what it waits for. With --watch it follows every change until
Ctrl-C; into a pipe or a file, it then writes one line for each change.

Examples:
  ctl status
  ctl status --watch
  kubectl exec -it -n mono-system ds/node-agent -- ctl status`;

const MAX_WIDTH = 100;

/** Adds `ctl status`. */
export function registerStatus(program: Command, context: CliContext): void {
  const command = program
    .command('status')
    .description('the fleet at a glance')
    .option('-w, --watch', 'follow the changes')
    .addHelpText('after', HELP)
    .action(async () => {
      const { kubeconfig, watch } = command.optsWithGlobals<{ kubeconfig?: string; watch?: boolean }>();
      const client = await connect(context, kubeconfig);
      try {
        const kinds = await listKinds(client, context);
        if (watch) await watchFleet(client, kinds, context);
        else for (const line of drawFleet(objectsOf(kinds), context)) print(context, line);
      } finally {
        await client.close();
      }
    });
}

/** One kind of object that the picture is made of, and those there were at the start. */
export interface FleetKind<T> {
  readonly resource: Resource<T>;
  readonly selection: Selection;
  readonly isAllowed: boolean;
  readonly items: readonly T[];
}

/** The kinds that the picture is made of. */
export type FleetKinds = { readonly [K in keyof FleetObjects]: FleetKind<FleetObjects[K][number]> };

async function listKinds(client: FullKubeClient, context: CliContext): Promise<FleetKinds> {
  const { NODES, OSINSTANCES, OSUPGRADE_PROGRESSES, OSUPGRADES } = await import('../kube/resources.ts');
  const list = async <T>(resource: Resource<T>, selection: Selection = {}): Promise<FleetKind<T>> => {
    const bounds = { signal: context.signal };
    const items = await client.list(resource, selection, bounds).catch(unlessForbidden);
    if (items === undefined)
      note(context, `ctl: ${resource.plural} are not shown: you may not list them (RBAC)`);
    return { resource, selection, isAllowed: items !== undefined, items: items ?? [] };
  };
  const [upgrades, progresses, instances, nodes] = await Promise.all([
    list(OSUPGRADES),
    list(OSUPGRADE_PROGRESSES),
    list(OSINSTANCES, { namespace: OSINSTANCE_NAMESPACE }),
    list(NODES),
  ]);
  return { upgrades, progresses, instances, nodes };
}

function unlessForbidden(error: unknown): undefined {
  if (error instanceof StalledError && error.reason === 'Forbidden') return undefined;
  throw error;
}

const objectsOf = ({ upgrades, progresses, instances, nodes }: FleetKinds): FleetObjects => ({
  upgrades: upgrades.items,
  progresses: progresses.items,
  instances: instances.items,
  nodes: nodes.items,
});

/** The whole picture as lines. */
export function drawFleet(objects: FleetObjects, context: CliContext): string[] {
  const options = { width: Math.min(context.columns, MAX_WIDTH), hasColour: context.isTerminal };
  const nodes = describeNodes(objects, context.clock.nowMs());
  return [...drawRequests(describeRequests(objects), options), '', ...drawNodes(nodes, options)];
}
