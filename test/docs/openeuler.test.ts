import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../tools/lib/paths.mjs';
import { type Cluster, startCluster } from '../env/cluster.ts';
import { startController } from '../env/controller-process.ts';
import { eventually } from '../env/wait.ts';
import { commandsUnder, headingsOf, openShell, type Shell } from './page-commands.ts';

const PAGE = 'docs/openeuler.md';
const YAML = 'upgrade_v1alpha1_os.yaml';

describe(`${PAGE}, typed by a person`, function () {
  this.timeout(90_000);
  const stack = new AsyncDisposableStack();
  let cluster: Cluster;
  let shell: Shell;
  /** The samples of the page, in their order. */
  const samples = [...readFileSync(join(ROOT, PAGE), 'utf8').matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(
    ([, text = '']) => text,
  );
  const lay = (text: string): void => writeFileSync(join(shell.desk, YAML), text);

  before(async () => {
    cluster = await startCluster({ name: 'page', scheduler: false });
    stack.defer(() => cluster.stop());
    await cluster.installTwinslot();
    const controller = await startController(cluster);
    stack.defer(async () => void (await controller.stop()));
    shell = openShell(cluster);
  });
  after(() => stack.disposeAsync());

  it('every command works as it stands there', async () => {
    lay(samples[0] ?? '');
    const commands = headingsOf(PAGE)
      .flatMap(heading => commandsUnder(PAGE, heading))
      .filter(command => command !== 'ctl status --watch');
    expect(commands).to.have.length.of.at.least(8);
    for (const command of commands) await shell.run(command);
  });

  it('each sample is applied in the place of the one before, without a warning', async () => {
    for (const sample of samples) {
      lay(sample);
      const { stdout, stderr } = await shell.run(`kubectl apply -f ${YAML}`);
      expect(stdout).to.match(/^os\.upgrade\.openeuler\.org\/os-sample (configured|unchanged)\n$/);
      expect(stderr).to.equal('');
    }
  });

  it('an OS that cannot be done says so where the page sends one', async () => {
    lay((samples[0] ?? '').replace('maxunavailable: 2', 'maxunavailable: 0'));
    await shell.run(`kubectl apply -f ${YAML}`);
    const events = commandsUnder(PAGE, 'Status, conditions, Events').find(line => line.includes('events'));
    await eventually(async () => (await shell.run(events ?? '')).stdout.includes('MaxUnavailableInvalid'), {
      timeoutMs: 20_000,
      what: 'the Event tells',
    });
    expect((await shell.run('kubectl get os -A -o wide')).stdout).to.match(
      /Rejected .*MaxUnavailableInvalid/,
    );
    expect((await shell.run('kubectl describe os os-sample')).stdout).to.contain('spec.maxunavailable is 0');
    expect((await shell.run('ctl status')).stdout).to.match(
      /^default\/os-sample +upgrade +KubeOS 1\.0\.1 +Rejected/m,
    );
  });
});
