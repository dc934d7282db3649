import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { encodeEnvironment } from '../../../src/agent/boot/grubenv.ts';
import { type GuardFacts, renderGuard } from '../../../src/agent/guard/render.ts';
import type { OnDisk } from '../../../src/agent/ports.ts';

/** Where KubeOS has GRUB's environment block. */
export const ENVIRONMENT: OnDisk = {
  path: '/boot/efi/EFI/openEuler/grubenv',
  mountPoint: '/boot/efi',
  fsType: 'vfat',
  inside: '/EFI/openEuler/grubenv',
  device: { partUuid: 'esp-part', uuid: 'ESP-FS', partition: 1, disk: '/sys/disk' },
};
const STATE: OnDisk = {
  path: '/var/lib/node-agent',
  mountPoint: '/var',
  fsType: 'ext4',
  inside: '/var/lib/node-agent',
  device: { partUuid: 'persist-part', partition: 4, disk: '/sys/disk' },
};

/** What a guard of slot B knows of a machine with KubeOS's layout. */
export const FACTS: GuardFacts = {
  slot: 'B',
  limitSeconds: 1020,
  check: { type: 'grub', environment: ENVIRONMENT, values: ['B', "it's B", '1'], isFirst: false },
  state: STATE,
  disk: '/sys/disk',
};

const MOUNTED = `21 1 254:3 / / ro - ext4 /dev/vda3 ro
30 21 254:1 / /boot/efi rw - vfat /dev/vda1 rw
31 21 254:4 /var /var rw - ext4 /dev/vda4 rw
`;

const PROGRAMS = [
  'sleep',
  'sync',
  'mount',
  'umount',
  'fw_printenv',
  'reboot',
  'systemctl',
  'cat',
  'mkdir',
  'date',
];

/**
 * A machine made of files, for the guard's script alone: programs are stand-ins that write down how they were called,
 * and time passes while somebody sleeps.
 */
export class ScriptWorld {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  static async make(): Promise<ScriptWorld> {
    const world = new ScriptWorld(await mkdtemp(join(tmpdir(), 'guard-script-')));
    await world.put('proc/self/mountinfo', MOUNTED);
    await world.put('proc/sys/kernel/random/boot_id', 'boot-2\n');
    for (const folder of ['dev', 'run', 'disks', 'var/lib/node-agent'])
      await mkdir(join(world.root, folder), { recursive: true });
    await world.start(0);
    await world.setEnvironment({ saved_entry: 'A' });
    // Time passes by sleeping alone. What runs beside the script gets some real time for each second.
    await world.program(
      'sleep',
      `read -r up rest <"$W/proc/uptime"; echo "$((\${up%%.*} + $1)).00 0" >"$W/proc/uptime.$$" &&
         /bin/mv "$W/proc/uptime.$$" "$W/proc/uptime"
       if [ -e "$W/during-sleep" ]; then . "$W/during-sleep"; fi
       [ "$1" != 1 ] || exec /bin/sleep 0.05`,
    );
    for (const name of ['sync', 'umount', 'fw_printenv', 'reboot']) await world.program(name, 'exit 1');
    await world.program('systemctl', 'case "$*" in *reboot*) kill -9 "$MAIN" ;; esac');
    await world.program('date', 'exit 1');
    await world.program('mount', 'exit 32');
    for (const name of ['cat', 'mkdir']) await world.program(name, `exec /bin/${name} "$@"`, false);
    return world;
  }

  remove(): Promise<void> {
    return rm(this.root, { recursive: true, force: true });
  }

  async put(path: string, text: string): Promise<void> {
    await mkdir(join(this.root, dirname(path)), { recursive: true });
    await writeFile(join(this.root, path), text);
  }

  /** The machine has been running for so long. */
  start(uptimeSeconds: number): Promise<void> {
    return this.put('proc/uptime', `${uptimeSeconds}.50 1.00\n`);
  }

  setEnvironment(values: Record<string, string>, folder = 'boot/efi'): Promise<void> {
    const block = encodeEnvironment(new Map(Object.entries(values)));
    return this.put(`${folder}/EFI/openEuler/grubenv`, block?.toString('utf8') ?? '');
  }

  /** Nothing but the root is mounted. */
  async unmountAll(): Promise<void> {
    await this.put('proc/self/mountinfo', `${MOUNTED.split('\n')[0]}\n`);
    await rm(join(this.root, 'boot'), { recursive: true });
    await rm(join(this.root, 'var'), { recursive: true });
  }

  /** Mounting `device` shows what `fill` put into the folder that it is given. */
  async disk(device: string, fill: (folder: string) => Promise<void>): Promise<void> {
    const folder = `disks/${device}`;
    await mkdir(join(this.root, folder), { recursive: true });
    await fill(folder);
    await this.put('disks/table', `${await this.read('disks/table')}${device}\n`);
    await this.program(
      'mount',
      `for last; do :; done; for d in $(/bin/cat "$W/disks/table"); do case "$*" in *"$d $last") /bin/rmdir "$last"; exec /bin/ln -s "$W/disks/$d" "$last" ;; esac; done; exit 32`,
    );
    await this.program('umount', '/bin/rm "$1"; exec /bin/mkdir "$1"');
  }

  async program(name: string, body: string, isLogged = true): Promise<void> {
    const log = isLogged ? `echo "${name} $*" >>"$W/calls"\n` : '';
    await this.put(`bin/${name}`, `#!/bin/sh\nW='${this.root}'\n${log}${body}\n`);
    await chmod(join(this.root, 'bin', name), 0o755);
  }

  async link(path: string, target: string): Promise<void> {
    await mkdir(join(this.root, dirname(path)), { recursive: true });
    await symlink(target, join(this.root, path));
  }

  read(path: string): Promise<string> {
    return readFile(join(this.root, path), 'utf8').catch(() => '');
  }

  /** The programs that were called, without those that wait. */
  async calls(): Promise<string[]> {
    return (await this.read('calls')).split('\n').filter(line => line !== '' && !line.startsWith('sleep '));
  }

  async uptime(): Promise<number> {
    return Number.parseInt(await this.read('proc/uptime'), 10);
  }

  /** Runs the script until it ends, or the machine was rebooted under it. */
  async run(shell: readonly string[], facts: GuardFacts = FACTS): Promise<'inert' | 'rebooted'> {
    return this.#runScript(shell, renderGuard(facts, this.#places(this.root)).script);
  }

  /** Runs a script that was found in a slot, on the machine whose root is `hostRoot`, with this world's programs. */
  runFound(script: string, hostRoot: string): Promise<'inert' | 'rebooted'> {
    let text = script;
    for (const [name, path] of Object.entries(this.#places(hostRoot)))
      text = text.replace(new RegExp(`^${name}='.*'$`, 'm'), `${name}='${path}'`);
    return this.#runScript(['dash'], text);
  }

  #places(hostRoot: string) {
    const { root } = this;
    return {
      ...{ ROOT: hostRoot, PROC: `${root}/proc`, SYS: `${root}/sys`, DEV: `${root}/dev` },
      ...{ RUN: `${root}/run/guard`, PATH: `${root}/bin` },
    };
  }

  async #runScript(shell: readonly string[], script: string): Promise<'inert' | 'rebooted'> {
    const { root } = this;
    // A busybox may prefer what is built in to the path, reboot among it; a function comes before both.
    const stand = PROGRAMS.map(name => `${name}() { '${root}/bin/${name}' "$@"; }\n`);
    await this.put('guard.sh', `export MAIN=$$\n${stand.join('')}${script}`);
    const [program = 'sh', ...args] = shell;
    const output = await open(join(root, 'output'), 'w');
    const child = spawn(program, [...args, join(root, 'guard.sh')], {
      env: {},
      // As systemd calls it; a busybox goes by that name.
      ...(program.includes('/') && { argv0: '@/sh' }),
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
    });
    const [code, signal] = await once(child, 'exit');
    // What it left running beside it.
    if (child.pid !== undefined) killGroup(child.pid);
    await output.close();
    const printed = await this.read('output');
    if (printed !== '') throw new Error(`it printed: ${printed}`);
    if (code === 0) return 'inert';
    if (signal === 'SIGKILL') return 'rebooted';
    throw new Error(`it ended by ${code ?? signal}`);
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing is left of it.
  }
}
