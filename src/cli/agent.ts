import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Command } from 'commander';
import winston from 'winston';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import packageJson from '../../package.json' with { type: 'json' };
import { runAgent } from '../agent/agent.ts';
import { AgentConfig } from '../agent/config.ts';
import { AGENT_NAME } from '../api/monok8s/index.ts';
import { systemClock } from '../domain/clock.ts';
import { messageOf, StalledError } from '../domain/errors.ts';
import { createKubeClient } from '../kube/client.ts';
import { loadConnection } from '../kube/connection.ts';
import { createEventRecorder } from '../kube/events.ts';

const CONFIG_FILE = '/etc/node-agent/agent.yaml';

interface AgentFlags {
  readonly config: string;
  readonly nodeName?: string;
  /** Of the whole program. */
  readonly kubeconfig?: string;
}

/** Adds `ctl agent`, which serves one node until SIGTERM. */
export function registerAgent(program: Command): void {
  program
    .command('agent')
    .summary("run a node's agent (what the DaemonSet node-agent runs)")
    .description(
      'Serves one node: installs images on the slot that is not running, boots them as a trial, keeps them or falls back.',
    )
    .option('--config <file>', 'configuration (YAML); a missing file means the defaults', CONFIG_FILE)
    .option('--node-name <name>', 'name of the Node object; else the variable NODE_NAME, else the host name')
    .action(async (_flags: unknown, command: Command) => serve(command.optsWithGlobals<AgentFlags>()));
}

async function serve({ config: file, nodeName, kubeconfig }: AgentFlags): Promise<void> {
  const config = await readAgentConfig(file);
  const log = createLog(process.env.LOG_LEVEL ?? 'info');
  const ending = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => ending.abort());
  const name = nodeName ?? process.env.NODE_NAME ?? hostname();
  const client = createKubeClient(await loadConnection({ kubeconfig, environment: process.env }), {
    log,
    userAgent: `twinslot-agent/${packageJson.version}`,
  });
  log.info('agent starts', { nodeName: name, version: packageJson.version, config: file });
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
    await runAgent({ ...parts, random: Math.random }, ending.signal);
    log.info('agent ends', { nodeName: name });
  } finally {
    await client.close();
  }
}

/**
 * Reads the agent's configuration; a missing file means the defaults.
 * @throws StalledError `ConfigInvalid` with the name of the field
 */
export async function readAgentConfig(file: string): Promise<AgentConfig> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw new StalledError('ConfigInvalid', `cannot read ${file}: ${messageOf(error)}`, { cause: error });
  });
  const read = AgentConfig.safeParse(parseYaml(text, file) ?? {});
  if (read.success) return read.data;
  throw new StalledError('ConfigInvalid', `${file}: ${z.prettifyError(read.error)}`, { cause: read.error });
}

function parseYaml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw new StalledError('ConfigInvalid', `${file}: ${error.message}`, { cause: error });
  }
}

const createLog = (level: string): winston.Logger =>
  winston.createLogger({
    level,
    format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
    transports: [new winston.transports.Console()],
  });
