import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { planFileSystem } from '../../../../src/agent/install/archive/file-system-plan.ts';
import { isHidden } from '../../../../src/agent/install/archive/hidden-superblock.ts';
import { makeHiddenFileSystem } from '../../../../src/agent/install/archive/make-file-system.ts';
import { readPrimarySuperblock } from '../../../../src/agent/install/superblock-io.ts';
import { type PowerCut, powerCutEnv, powerCutHappened, readTrace } from '../../../env/node/power-cut-plan.ts';
import { runProgram } from '../../../env/node/run-program.ts';

/** Two groups of blocks of 1 KiB, so there is one copy of the superblock. */
const SLOT_BYTES = 10 * 1024 * 1024;
const SEEDS = [1, 2, 3, 4];
const PROGRAM = join(import.meta.dirname, 'reveal-program.ts');

describe('revealing a filled slot when power fails', function () {
  this.timeout(60_000);
  let dir = '';
  let hidden = '';
  let slot = '';

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'reveal-'));
    [hidden, slot] = [join(dir, 'hidden'), join(dir, 'root/slot')];
    await mkdir(join(dir, 'root'));
    await writeFile(hidden, '');
    await truncate(hidden, SLOT_BYTES);
    const old = planFileSystem(Buffer.alloc(1024));
    // With a checksum over the superblock, half of a new one is worth nothing.
    const plan = { ...old, blockBytes: 1024, features: [...old.features, 'metadata_csum'] };
    await makeHiddenFileSystem({ path: hidden, sizeBytes: SLOT_BYTES }, plan, new AbortController().signal);
  });
  after(() => rm(dir, { recursive: true }));

  async function reveal(cut: PowerCut): Promise<void> {
    // What is all zeros has not to be flushed.
    await runProgram('cp', '--sparse=always', hidden, slot);
    await rm(join(dir, 'power-cut.trace'), { force: true });
    const env = { ...process.env, ...powerCutEnv(dir, cut) };
    await once(spawn(process.execPath, [PROGRAM, slot, 'ROOT-B'], { env, stdio: 'ignore' }), 'exit');
  }
  const grubReads = (): Promise<boolean> =>
    runProgram('grub-fstest', slot, 'ls', '(loop0)/').then(
      text => text.includes('lost+found'),
      () => false,
    );

  it('shows a whole file system or none, whatever became of what was not flushed', async () => {
    await reveal({});
    const steps = await readTrace(dir);
    const whole = await readFile(slot);
    expect(steps).to.deep.equal([
      `write /slot ${8193 * 1024}+1024`,
      'write /slot 1536+512',
      'sync /slot',
      'write /slot 1024+512',
      'sync /slot',
    ]);
    const seen = new Set<boolean>();
    for (const [at, step] of steps.entries()) {
      for (const seed of SEEDS) {
        await reveal({ at: at + 1, seed });
        expect(await powerCutHappened(dir)).to.equal(true);
        const isRevealed = !isHidden(await readPrimarySuperblock(slot));
        seen.add(isRevealed);
        expect(await grubReads(), `${step}, seed ${seed}`).to.equal(isRevealed);
        if (isRevealed) expect((await readFile(slot)).equals(whole), `${step}, seed ${seed}`).to.equal(true);
      }
    }
    expect([...seen]).to.have.members([true, false]);
    await reveal({});
    await runProgram('e2fsck', '-fn', slot);
  });
});
