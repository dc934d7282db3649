import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseGuardNote } from '../../../src/agent/guard/note.ts';
import { type GuardFacts, renderGuard } from '../../../src/agent/guard/render.ts';
import { makeFileSystem } from '../../env/images.ts';
import { needsRoot } from '../../env/needs-root.ts';
import { runProgram } from '../../env/node/run-program.ts';
import { ENVIRONMENT, FACTS, ScriptWorld } from './script-world.ts';

interface Case {
  readonly name: string;
  readonly before: (world: ScriptWorld) => Promise<void>;
  readonly facts?: Partial<GuardFacts>;
  readonly ends: 'inert' | 'rebooted';
  /** Nothing may be mounted while the machine starts, and nothing need be where the answer is known. */
  readonly mounts?: boolean;
}

const espHas = (environment: Record<string, string>) => (world: ScriptWorld) => (folder: string) =>
  world.setEnvironment(environment, folder);
const NOTHING = { inside: '', path: '', mountPoint: '/nowhere', fsType: '' };
const UBOOT = {
  type: 'u-boot',
  variable: 'upgrade_available',
  values: ['0'],
  config: '/etc/fw.conf',
} as const;

/** Name, state, and whether it belongs to a device. */
const NETWORK = [
  ['cni0', 'up', false],
  ['eth0', 'down', true],
  ['eth1', 'up', true],
] as const;

const CASES: readonly Case[] = [
  { name: 'its slot is on trial', before: async () => {}, ends: 'rebooted' },
  ...['B', "it's B", '1'].map(
    (saved): Case => ({
      name: `its slot is the default, as ${saved}`,
      before: world => world.setEnvironment({ saved_entry: saved, next_entry: '' }),
      ends: 'inert',
      mounts: false,
    }),
  ),
  {
    name: 'its slot becomes the default',
    before: async world => {
      await world.setEnvironment({ saved_entry: 'B' }, 'later');
      await world.put('during-sleep', '/bin/cp -r "$W/later/." "$W/boot/efi"');
    },
    ends: 'inert',
    mounts: false,
  },
  {
    name: 'nothing is saved, and its entry is not the first',
    before: world => world.setEnvironment({ next_entry: 'B' }),
    ends: 'rebooted',
  },
  {
    name: 'nothing is saved, and its entry is the first',
    before: world => world.setEnvironment({}),
    facts: { check: { ...FACTS.check, isFirst: true } as GuardFacts['check'] },
    ends: 'inert',
    mounts: false,
  },
  {
    name: 'the saved entry has a name with a backslash',
    before: world => world.setEnvironment({ saved_entry: 'a\\b' }),
    facts: { check: { ...FACTS.check, values: ['a\\b'] } as GuardFacts['check'] },
    ends: 'inert',
    mounts: false,
  },
  {
    name: 'the environment block is damaged, and the agent says its slot is the default',
    before: async world => {
      await world.put('boot/efi/EFI/openEuler/grubenv', 'x'.repeat(1024));
      await world.put('var/lib/node-agent/default-slot.json', '"B"');
    },
    ends: 'inert',
    mounts: false,
  },
  {
    name: 'the agent says the other slot is the default, and nothing else can be read',
    before: async world => {
      await world.put('boot/efi/EFI/openEuler/grubenv', '');
      await world.put('var/lib/node-agent/default-slot.json', '"A"');
    },
    ends: 'rebooted',
  },
  { name: 'nothing is mounted and nothing can be', before: world => world.unmountAll(), ends: 'rebooted' },
  {
    name: 'nothing is mounted, and its slot is the default on the partition, by its UUID',
    before: async world => {
      await world.unmountAll();
      await world.disk('PARTUUID=esp-part', espHas({ saved_entry: 'B' })(world));
    },
    ends: 'inert',
    mounts: true,
  },
  {
    name: 'nothing is mounted, and the other slot is the default on the partition',
    before: async world => {
      await world.unmountAll();
      await world.disk('PARTUUID=esp-part', espHas({ saved_entry: 'A' })(world));
    },
    ends: 'rebooted',
    mounts: true,
  },
  {
    name: 'udev never ran, and the partition is found by its number on the disk of the root',
    before: async world => {
      await world.unmountAll();
      for (const [disk, number] of ['vda1', 'vda2', 'vda3', 'vdb1'].map(n => [n.slice(0, 3), n.slice(3)]))
        for (const [file, text] of [
          ['partition', number],
          ['uevent', `DEVNAME=${disk}${number}\n`],
        ])
          await world.put(`sys/devices/${disk}/${disk}${number}/${file}`, `${text}`);
      await world.link('sys/dev/block/254:3', '../../devices/vda/vda3');
      await world.disk('dev/vda1', espHas({ saved_entry: 'B' })(world));
      await world.disk('dev/vdb1', espHas({ saved_entry: 'A' })(world));
    },
    ends: 'inert',
    mounts: true,
  },
  {
    name: 'udev never ran, and the kernel tells the UUID of the partition',
    before: async world => {
      await world.unmountAll();
      await world.put('sys/class/block/sda9/uevent', 'MAJOR=8\nDEVNAME=sda9\nPARTUUID=esp-part\n');
      await world.disk('dev/sda9', espHas({ saved_entry: 'B' })(world));
    },
    ends: 'inert',
    mounts: true,
  },
  {
    name: "the kernel has no vfat, and the agent's word is on another partition",
    before: async world => {
      await world.unmountAll();
      await world.disk('PARTUUID=persist-part', folder =>
        world.put(`${folder}/var/lib/node-agent/default-slot.json`, '"B"'),
      );
    },
    ends: 'inert',
    mounts: true,
  },
  {
    name: 'mounting hangs',
    before: async world => {
      await world.unmountAll();
      await world.program('mount', 'exec /bin/sleep 600');
    },
    ends: 'rebooted',
    mounts: true,
  },
  {
    name: 'U-Boot says that no trial is under way',
    before: world =>
      world.program(
        'fw_printenv',
        'case "$*" in "-c /etc/fw.conf -n upgrade_available") echo 0 ;; *) exit 1 ;; esac',
      ),
    facts: { check: UBOOT },
    ends: 'inert',
    mounts: false,
  },
  {
    name: 'U-Boot says that a trial is under way',
    before: world => world.program('fw_printenv', 'echo 1'),
    facts: { check: UBOOT },
    ends: 'rebooted',
  },
  {
    name: 'there is no fw_printenv',
    before: world => world.program('fw_printenv', 'exit 127'),
    facts: { check: UBOOT, state: NOTHING },
    ends: 'rebooted',
  },
  {
    name: 'there is no folder for its own files',
    before: async world => {
      await rm(join(world.root, 'run'), { recursive: true });
      await world.setEnvironment({ saved_entry: 'B' });
    },
    ends: 'inert',
    mounts: false,
  },
  {
    name: 'it has rebooted this slot five times, and the slot always came back',
    before: world =>
      world.put('var/lib/node-agent/trial-guard-note', 'twinslot-trial-guard 1\nslot B\ncount 5\n'),
    ends: 'inert',
  },
  {
    name: 'the other slot was rebooted five times',
    before: world =>
      world.put('var/lib/node-agent/trial-guard-note', 'twinslot-trial-guard 1\nslot A\ncount 5\n'),
    ends: 'rebooted',
  },
  {
    name: 'systemctl hangs',
    before: async world => {
      await world.program('systemctl', 'exec /bin/sleep 600');
      await world.program('reboot', 'kill -9 "$MAIN"');
    },
    ends: 'rebooted',
  },
  {
    name: 'systemctl is missing, and the kernel obeys',
    before: async world => {
      await rm(join(world.root, 'bin/systemctl'));
      await world.put('proc/sysrq-trigger', '');
      await world.put(
        'during-sleep',
        'read -r key <"$W/proc/sysrq-trigger"; [ "$key" != b ] || kill -9 "$MAIN"',
      );
    },
    ends: 'rebooted',
  },
];

for (const shell of [['/bin/dash'], ['/bin/busybox']]) {
  describe(`the script of a trial guard, run by ${shell.join(' ')}`, function () {
    this.timeout(120_000);
    let world: ScriptWorld;
    beforeEach(async () => {
      world = await ScriptWorld.make();
      // A few looks before the time is over, and none that a test waits for.
      await world.start(1008);
    });
    afterEach(() => world.remove());

    for (const { name, before, facts, ends, mounts } of CASES) {
      it(`${ends === 'inert' ? 'does nothing' : 'reboots'}: ${name}`, async () => {
        await before(world);
        expect(await world.run(shell, { ...FACTS, ...facts })).to.equal(ends);
        const calls = await world.calls();
        if (ends === 'inert') expect(calls.filter(call => /reboot/.test(call))).to.deep.equal([]);
        if (mounts !== undefined) expect(calls.some(call => call.startsWith('mount '))).to.equal(mounts);
        if (ends === 'rebooted') expect(await world.uptime()).to.be.at.least(FACTS.limitSeconds);
      });
    }

    it('goes by nothing that an earlier run of it has left', async () => {
      expect(await world.run(shell)).to.equal('rebooted');
      await world.start(1008);
      await world.setEnvironment({ saved_entry: 'B' });
      expect(await world.run(shell)).to.equal('inert');
    });

    it('leaves a note that says what systemd knew', async () => {
      await world.program(
        'systemctl',
        `case "$*" in
           is-system-running) echo maintenance; exit 1 ;;
           *kubelet*) echo inactive; exit 3 ;;
           *containerd*) echo failed; exit 3 ;;
           --failed*) echo 'var.mount loaded failed failed /var'; echo '● boot-efi.mount loaded failed failed /boot' ;;
           list-jobs*) echo '1 slow.service start running'; echo '2 sysinit.target start waiting' ;;
           *reboot*) kill -9 "$MAIN" ;;
         esac`,
      );
      await world.program('date', '[ "$*" != +%s ] || echo 1900000000');
      for (const [name, state, isReal] of NETWORK) {
        await world.put(`sys/class/net/${name}/operstate`, `${state}\n`);
        if (isReal) await world.put(`sys/class/net/${name}/device/vendor`, '');
      }
      await world.put('var/lib/node-agent/trial-guard-note', 'twinslot-trial-guard 1\nslot B\ncount 1\n');
      expect(await world.run(shell)).to.equal('rebooted');
      const text = await world.read('var/lib/node-agent/trial-guard-note');
      expect(text).to.contain('\ncount 2\n');
      const { uptimeSeconds, ...note } = parseGuardNote(text) ?? expect.fail('it is no note');
      expect(uptimeSeconds).to.be.at.least(FACTS.limitSeconds);
      expect(note).to.deep.equal({
        ...{ slot: 'B', bootId: 'boot-2', system: 'maintenance', kubelet: 'inactive', containerd: 'failed' },
        ...{ clockSeconds: 1_900_000_000, network: 'eth1' },
        failedUnits: ['var.mount', 'boot-efi.mount'],
        runningJobs: ['slow.service'],
      });
    });

    it('leaves its note also where it has to mount for that', async () => {
      await world.unmountAll();
      await world.disk('PARTUUID=persist-part', folder =>
        world.put(`${folder}/var/lib/node-agent/default-slot.json`, '"A"'),
      );
      expect(await world.run(shell)).to.equal('rebooted');
      const text = await world.read('disks/PARTUUID=persist-part/var/lib/node-agent/trial-guard-note');
      expect(parseGuardNote(text)?.slot).to.equal('B');
    });
  });
}

describe('the script of a trial guard, with real mounts', function () {
  this.timeout(60_000);
  let world: ScriptWorld;
  before(function () {
    needsRoot(this, 'mounting a slot');
  });
  beforeEach(async () => {
    world = await ScriptWorld.make();
    await world.start(1015);
    await world.unmountAll();
    for (const name of ['mount', 'umount']) await world.program(name, `exec /bin/${name} "$@"`);
    await world.setEnvironment({ saved_entry: 'B' }, 'tree');
    await world.put('tree/var/lib/node-agent/default-slot.json', '"A"');
  });
  afterEach(() => world.remove());

  const run = async (saved: string) => {
    await world.setEnvironment({ saved_entry: saved }, 'tree');
    const image = join(world.root, 'disk.img');
    await makeFileSystem(image, { sizeMiB: 4, tree: join(world.root, 'tree') });
    for (const name of ['esp-part', 'persist-part']) await world.link(`dev/disk/by-partuuid/${name}`, image);
    const check = { ...FACTS.check, environment: { ...ENVIRONMENT, fsType: 'ext4' } };
    const ended = await world.run(['unshare', '--mount', '--propagation', 'private', 'dash'], {
      ...FACTS,
      check,
    });
    const note = await runProgram('debugfs', '-R', 'cat /var/lib/node-agent/trial-guard-note', image);
    await runProgram('e2fsck', '-fn', image);
    return { ended, note: parseGuardNote(note) };
  };

  it('finds that its slot is the default', async () => {
    expect(await run('B')).to.deep.equal({ ended: 'inert', note: undefined });
  });

  it('finds it also where the kernel has mounted the partition for writing elsewhere', async () => {
    await world.program('mount', 'case " $* " in *" ro "*) exit 32 ;; esac; exec /bin/mount "$@"');
    expect((await run('B')).ended).to.equal('inert');
  });

  it('finds that it is not, and leaves its note', async () => {
    const { ended, note } = await run('A');
    expect([ended, note?.slot]).to.deep.equal(['rebooted', 'B']);
  });
});

describe('the unit of a trial guard', () => {
  it('is one that systemd takes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'guard-unit-'));
    try {
      const path = join(folder, 'twinslot-trial-guard.service');
      await writeFile(path, renderGuard(FACTS).unit);
      await runProgram('systemd-analyze', 'verify', '--man=no', path);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
