import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { eventually } from './wait.ts';

/** A real rsyslogd with a socket and a file of its own. */
export interface Rsyslog {
  /** What it has written: like `/var/log/messages`. */
  messages(): Promise<string>;
  start(): Promise<void>;
  /** Ends it; what comes afterwards is refused until it is started again. */
  stop(): Promise<void>;
}

/** Starts rsyslogd for the machine whose root is `root`: it listens at dev/log and writes var/log/messages there. */
export async function startRsyslog(root: string): Promise<Rsyslog> {
  const [socket, file] = [join(root, 'dev/log'), join(root, 'var/log/messages')];
  const [config, pid] = [join(root, 'etc/rsyslog.conf'), join(root, 'rsyslog.pid')];
  for (const path of [socket, file, config]) await mkdir(dirname(path), { recursive: true });
  await writeFile(
    config,
    [
      'module(load="imuxsock" SysSock.Use="off")',
      `input(type="imuxsock" Socket="${socket}" CreatePath="on")`,
      `*.info;mail.none;authpriv.none;cron.none action(type="omfile" file="${file}")`,
      '',
    ].join('\n'),
  );
  let child: ChildProcess | undefined;
  const rsyslog: Rsyslog = {
    messages: () => readFile(file, 'utf8').catch(() => ''),
    async start() {
      await rm(socket, { force: true });
      // It dies with this process, however that ends.
      const program = ['--pdeathsig', 'KILL', '--', 'rsyslogd', '-n', '-f', config, '-i', pid];
      child = spawn('setpriv', program, { stdio: 'ignore' });
      await eventually(() => existsSync(socket), { timeoutMs: 30_000, what: 'rsyslogd listens' });
    },
    async stop() {
      if (!child || child.exitCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      child = undefined;
    },
  };
  await rsyslog.start();
  return rsyslog;
}
