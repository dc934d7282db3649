import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { Logger } from 'winston';
import packageJson from '../../package.json' with { type: 'json' };
import { runAgent } from '../agent/agent.ts';
import { createSystemLog, type SystemLog } from '../agent/host/system-log.ts';
import { AGENT_NAME } from '../api/monok8s/index.ts';
import { systemClock } from '../domain/clock.ts';
import { createKubeClient } from '../kube/client.ts';
import { loadConnection } from '../kube/connection.ts';
import { createEventRecorder } from '../kube/events.ts';
import { CONFIG_FILE, readAgentConfig } from './agent-config.ts';
import type { CliContext } from './context.ts';
import { createProgramLog } from './program-log.ts';

interface AgentFlags {
  readonly config?: string;
  readonly hostRoot?: string;
  readonly nodeName?: string;
  /** Of the whole program. */
  readonly kubeconfig?: string;
}

/** Adds `ctl agent`, which serves one node until SIGTERM. */
export function registerAgent(program: Command, { signal }: Pick<CliContext, 'signal'>): void {
  program
    .command('agent')
    .summary("run a node's agent (what the DaemonSet node-agent runs)")
    .description(
      'Serves one node: installs images on the slot that is not running, boots them as a trial, keeps them or falls back.',
    )
    .option('--config <file>', `configuration (YAML); else ${CONFIG_FILE}, which may be missing`)
    .option(
      '--host-root <dir>',
      "where the host's root is mounted, unless the configuration says; else the variable HOST_ROOT, else /",
    )
    .option('--node-name <name>', 'name of the Node object; else the variable NODE_NAME, else the host name')
    .action(async (_flags: unknown, command: Command) =>
      serve(command.optsWithGlobals<AgentFlags>(), signal),
    );
}

async function serve(
  { config: file, hostRoot, nodeName, kubeconfig }: AgentFlags,
  signal: AbortSignal,
): Promise<void> {
  const config = await readAgentConfig(file, hostRoot ?? process.env.HOST_ROOT);
  const log = createProgramLog(process.env.LOG_LEVEL);
  const systemLog = addSystemLog(log, config.hostRoot);
  const name = nodeName ?? process.env.NODE_NAME ?? hostname();
  const client = createKubeClient(await loadConnection({ kubeconfig, environment: process.env }), {
    log,
    userAgent: `twinslot-agent/${packageJson.version}`,
  });
  log.info('agent starts', {
    nodeName: name,
    version: packageJson.version,
    config: file ?? CONFIG_FILE,
    hostRoot: config.hostRoot,
  });
  const events = createEventRecorder({
    client,
    component: AGENT_NAME,
    instance: name,
    clock: systemClock,
    log,
  });
  const { version: agentVersion } = packageJson;
  const parts = { nodeName: name, agentVersion, config, client, events, clock: systemClock, log };
  try {
    await runAgent({ ...parts, random: Math.random }, signal);
    log.info('agent ends', { nodeName: name });
  } finally {
    await client.close();
    await systemLog.close();
  }
}

/** Lets the host's own log have what this one has. */
function addSystemLog(log: Logger, hostRoot: string): SystemLog {
  const systemLog = createSystemLog({
    hostRoot,
    onRoute: (route, trouble) => {
      if (route) log.info('lines go to the system log of the node too', { route });
      else log.warn('system log of the node takes no lines', { reason: 'SystemLogMissing', error: trouble });
    },
  });
  log.add(systemLog.transport);
  return systemLog;
}
