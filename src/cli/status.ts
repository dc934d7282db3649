import type { Command } from 'commander';
import { type CliContext, connect, print } from './context.ts';
import { listKinds, objectsOf } from './fleet-kinds.ts';
import { drawFleet } from './fleet-view.ts';
import { watchFleet } from './status-watch.ts';

const HELP = `
Shows the requests of both APIs (OSUpgrade, and OS of every namespace), and for each node: its
version and where it goes, the phase, how far the download or the installation is, and what it
waits for. With --watch it follows every change until Ctrl-C; into a pipe or a file, it then writes
one line for each change.

Examples:
  ctl status
  ctl status --watch
  kubectl exec -it -n mono-system ds/node-agent -- ctl status`;

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
