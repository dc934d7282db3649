import { Command } from 'commander';
import { registerCatalog } from './catalog.ts';
import { registerCerts } from './certs.ts';
import type { CliContext } from './context.ts';
import { registerCreate } from './create.ts';
import { reportFailure } from './exit.ts';
import { registerFlash } from './flash.ts';
import { registerRetry } from './retry.ts';
import { registerStatus } from './status.ts';

/** The two long-running programs. Their code is loaded only when they are asked for. */
const PROGRAMS = {
  agent: {
    summary: "run a node's agent (what the DaemonSet node-agent runs)",
    register: async (program: Command, context: CliContext) =>
      (await import('./agent.ts')).registerAgent(program, context),
  },
  controller: {
    summary: 'run the controller (what the Deployment os-controller runs)',
    register: async (program: Command, context: CliContext) =>
      (await import('./controller.ts')).registerController(program, context),
  },
} as const;

const HELP = `
Examples:
  ctl create all --image registry.example.com/twinslot:0.1.0 | kubectl apply -f -
  ctl status --watch
  ctl retry osupgrade-abc123f
  ctl catalog check images.yaml --from v1.34.1
  ctl certs create --out certs --server images.example.com
  ctl flash --slot B rootfs.ext4.zst

The API server is found by --kubeconfig, the variable KUBECONFIG, the pod's ServiceAccount or
~/.kube/config, in this order.

Exit codes: 0 done; 1 it could not be done, or what was checked is wrong; 2 the command line is wrong.
Set DEBUG=1 to see where an error comes from.`;

/** Runs one command line (without program name) to its end and answers the exit code. */
export async function runCtl(args: readonly string[], context: CliContext): Promise<number> {
  try {
    const program = await buildProgram(args, context);
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    return reportFailure(error, context);
  }
}

async function buildProgram(args: readonly string[], context: CliContext): Promise<Command> {
  const program = new Command('ctl')
    .description('Upgrades and rolls back the operating system of two-partition (A/B) Kubernetes nodes.')
    .option('--kubeconfig <file>', 'how to reach the API server')
    .addHelpText('after', HELP)
    .configureOutput({
      writeOut: text => context.stdout.write(text),
      writeErr: text => context.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'ctl: ')),
      getOutHelpWidth: () => Math.min(context.columns, 100),
      getErrHelpWidth: () => Math.min(context.columns, 100),
    })
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('Add --help to see how it is meant.')
    // Inherited by the commands: they throw, so that the exit code is decided in one place.
    .exitOverride();
  registerCreate(program, context);
  registerStatus(program, context);
  registerRetry(program, context);
  registerCatalog(program, context);
  registerCerts(program, context);
  registerFlash(program, context);
  await registerPrograms(program, args, context);
  return program;
}

async function registerPrograms(
  program: Command,
  args: readonly string[],
  context: CliContext,
): Promise<void> {
  const wanted = commandWord(args);
  for (const [name, { summary, register }] of Object.entries(PROGRAMS)) {
    if (name === wanted) await register(program, context);
    else program.command(name).description(summary);
  }
}

/** The command that is called, or that help is asked for. */
function commandWord(args: readonly string[]): string | undefined {
  const words = args.filter((word, index) => !word.startsWith('-') && args[index - 1] !== '--kubeconfig');
  return words[0] === 'help' ? words[1] : words[0];
}
