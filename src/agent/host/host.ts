import { readFile } from 'node:fs/promises';
import type { Logger } from 'winston';
import { messageOf, StalledError, TransientError } from '../../domain/errors.ts';
import type { AgentConfig } from '../config.ts';
import type { Host } from '../ports.ts';
import { hostPath } from './host-path.ts';
import { type RunResult, run } from './run.ts';

const REBOOT_COMMAND_TIMEOUT_MS = 60_000;

type HostConfig = Pick<
  AgentConfig,
  'hostRoot' | 'rebootCommand' | 'rebootTimeoutSeconds' | 'healthCommand' | 'healthTimeoutSeconds'
>;

/** The machine that the agent serves, reached through the folder in which its root is mounted. */
export function createHost(config: HostConfig, log: Logger): Host {
  return {
    bootId: () => readBootId(config.hostRoot),
    reboot: () => reboot(config, log),
    checkHealth: signal => checkHealth(config, signal),
  };
}

async function readBootId(hostRoot: string): Promise<string> {
  const path = hostPath(hostRoot, '/proc/sys/kernel/random/boot_id');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new StalledError(
      'BootIdUnknown',
      `cannot read ${path}: mount the host's root where hostRoot says`,
      { cause },
    );
  });
  return text.trim();
}

/** The command that asks the host's init, run in the host's root. `force` skips the orderly stop of services. */
export function rebootArgv(config: Pick<HostConfig, 'hostRoot' | 'rebootCommand'>, force: boolean): string[] {
  if (config.rebootCommand !== undefined) return config.rebootCommand;
  const systemctl = ['systemctl', 'reboot', ...(force ? ['--force'] : [])];
  return config.hostRoot === '/' ? systemctl : ['chroot', config.hostRoot, ...systemctl];
}

async function reboot(config: HostConfig, log: Logger): Promise<void> {
  const argv = rebootArgv(config, false);
  log.info('asking the host to reboot', { command: argv.join(' ') });
  // Before anything can fail: init may have begun although its client failed, or it may never answer.
  forceLater(config, log);
  const result = await run(argv, { timeoutMs: REBOOT_COMMAND_TIMEOUT_MS });
  if (result.code !== 0) {
    throw new TransientError('RebootFailed', `${argv.join(' ')} did not work: ${endOf(result)}`);
  }
}

function forceLater(config: HostConfig, log: Logger): void {
  const timer = setTimeout(() => {
    const argv = rebootArgv(config, true);
    log.error('the host did not reboot in time, forcing it', { command: argv.join(' ') });
    run(argv, { timeoutMs: REBOOT_COMMAND_TIMEOUT_MS }).catch((error: unknown) => {
      log.error('forced reboot failed', { error: String(error) });
    });
  }, config.rebootTimeoutSeconds * 1000);
  timer.unref();
}

async function checkHealth(
  config: HostConfig,
  signal: AbortSignal,
): Promise<{ healthy: boolean; message: string }> {
  if (config.healthCommand === undefined)
    return { healthy: true, message: 'no health command is configured' };
  const timeoutMs = config.healthTimeoutSeconds * 1000;
  const result = await run(config.healthCommand, { timeoutMs, signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    // Not there, or not to be run: a system that cannot be checked is not healthy, and its trial has to say so.
    return { cannotRun: messageOf(error) };
  });
  if ('cannotRun' in result)
    return { healthy: false, message: `the health command cannot be run: ${result.cannotRun}` };
  if (result.timedOut) {
    return {
      healthy: false,
      message: `the health command did not end within ${config.healthTimeoutSeconds} s`,
    };
  }
  return { healthy: result.code === 0, message: endOf(result) };
}

/** The last line that a program printed, and how it ended: enough for a status. */
function endOf(result: RunResult): string {
  const lines = `${result.stdout}\n${result.stderr}`.trim().split('\n');
  const last = (lines.at(-1) ?? '').slice(0, 200);
  const code = result.code === undefined ? 'killed' : `exit code ${result.code}`;
  return last === '' ? code : `${code}: ${last}`;
}
