import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../tools/lib/paths.mjs';
import { freePort, isListening } from '../cli/flash-machine.ts';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { buildImage, type Image } from '../env/images.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { startNode } from '../env/node/start-node.ts';
import { eventually } from '../env/wait.ts';
import { openShell, type Shell, typedUnder as typedOnPage } from './page-commands.ts';

const PAGE = 'docs/flash.md';
/** Where a DaemonSet's container has the host's root. */
const IN_POD = 'HOST_ROOT=/host';

/** What a person types under a heading, on the machine whose prompt is given. */
const typedUnder = (heading: string, prompt: '$' | '#'): string[] => typedOnPage(PAGE, heading, `${prompt} `);

describe(`${PAGE}, typed by a person`, function () {
  this.timeout(120_000);
  const stack = new AsyncDisposableStack();
  let cluster: Cluster;
  let node: EmulatedNode;
  let shell: Shell;
  let image: Image;

  before(async () => {
    image = await buildImage({ version: 'v1.35.1' });
    cluster = await startCluster({ name: 'flash' });
    stack.defer(() => cluster.stop());
    await cluster.installTwinslot();
    node = await startNode(cluster, { name: 'node-1', version: 'v1.34.1' });
    stack.defer(() => node.stop());
    shell = openShell(cluster);
    copyFileSync(image.zstPath, join(shell.desk, 'rootfs.ext4.zst'));
    layPrograms(join(dirname(shell.desk), 'bin'));
  });
  after(() => stack.disposeAsync());

  /**
   * An emulated node has no container runtime: what `kubectl exec` calls in a pod runs beside it, with the settings of
   * the node's agent, as that itself does; and the process of the agent is found by the test.
   */
  function layPrograms(bin: string): void {
    const lay = (name: string, text: string) =>
      writeFileSync(join(bin, name), `#!/bin/sh\n${text}`, { mode: 0o755 });
    renameSync(join(bin, 'kubectl'), join(bin, 'real-kubectl'));
    lay(
      'kubectl',
      `if [ "$1 $2 $3 $4 $6" = "exec -i -n mono-system --" ]; then
  real-kubectl get -n mono-system "$5" >&2 && shift 6 && exec env ${IN_POD} "$@"
fi
exec real-kubectl "$@"
`,
    );
    const ctl = `'${process.execPath}' '${join(ROOT, 'src/ctl.ts')}'`;
    lay(
      'ctl',
      `[ "$HOST_ROOT" = /host ] && [ "$1" = flash ] && shift && exec ${ctl} flash --config '${node.dir}/agent.yaml' "$@"
exit 64
`,
    );
    lay('pgrep', `[ "$1 $2" = "-f ctl agent$" ] && echo ${node.agent.pid}\n`);
  }

  const versionInB = async () => (await node.slotOsRelease('B')).VERSION_ID;

  it('from the desk', async () => {
    const commands = typedUnder('From your desk', '$');
    expect(commands).to.have.lengthOf(3);
    expect(await versionInB()).to.equal(undefined);
    const { stdout } = await shell.run(commands.join('\n'));
    expect(stdout).to.contain('nothing was written').and.contain(image.checksum);
    expect(await versionInB()).to.equal('1.35.1');
  });

  it('with ncat', async () => {
    const port = await freePort();
    const here = (command: string) =>
      command.replaceAll('1234', String(port)).replaceAll('10.0.0.10', '127.0.0.1');
    const other = await buildImage({ version: 'v1.35.2' });
    copyFileSync(other.zstPath, join(shell.desk, 'rootfs.ext4.zst'));
    const onNode = typedUnder('With `ncat`', '#').map(here);
    const [send = ''] = typedUnder('With `ncat`', '$').map(here);
    expect([onNode.length, onNode.at(-1)]).to.deep.equal([2, onNode.find(line => line.includes('ncat -l'))]);
    const receiving = shell.run(onNode.join('\n'));
    await eventually(() => isListening(port), { timeoutMs: 20_000, what: 'ncat listens' });
    await shell.run(send);
    expect((await receiving).stdout).to.contain(other.checksum);
    expect(await versionInB()).to.equal('1.35.2');
  });

  it('boots it, and the agent keeps it', async () => {
    const [set = '', reboot] = typedUnder('Boot it', '#');
    expect(reboot).to.equal('reboot');
    await shell.run(set.replace(/ \/boot/, ` ${node.files.root}/boot`));
    await node.reboot();
    expect(node.bootedSlot).to.equal('B');
    const [events = ''] = typedUnder('Boot it', '$');
    await eventually(async () => (await shell.run(events)).stdout.includes('ManualBootKept'), {
      timeoutMs: 60_000,
      what: 'the Event is there',
    });
    await node.assertBootsVersion('v1.35.2');
  });

  it('has each reason that flashing alone knows', () => {
    const page = readFileSync(join(ROOT, PAGE), 'utf8');
    const source = readFileSync(join(ROOT, 'src/agent/flash/judge.ts'), 'utf8');
    for (const [, reason = ''] of source.matchAll(/StalledError\(\s*'(\w+)'/g))
      expect(page).to.contain(`\`${reason}\``);
  });
});
