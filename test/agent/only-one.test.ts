import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { becomeTheOnlyOne } from '../../src/agent/only-one.ts';
import { recordingLog } from './host/recording-log.ts';

describe('two agents on one node', () => {
  let root: string;
  const never = new AbortController().signal;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'only-one-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  it('the second waits, says so once, and takes over when the first ends', async () => {
    const { log, lines } = recordingLog();
    const stateDir = join(root, 'state');
    const timer = {
      after: (_ms: number, run: () => void) => {
        const handle = setImmediate(run);
        return () => clearImmediate(handle);
      },
    };
    const release = await becomeTheOnlyOne({ stateDir, log, timer }, never);
    let isSecondOn = false;
    const second = becomeTheOnlyOne({ stateDir, log, timer }, never).then(give => {
      isSecondOn = true;
      return give;
    });
    while (lines.length === 0) await new Promise(resolve => setImmediate(resolve));
    for (let turn = 0; turn < 50; turn += 1) await new Promise(resolve => setImmediate(resolve));
    expect(isSecondOn).to.equal(false);
    expect(lines.filter(line => line.includes('another agent'))).to.have.length(1);
    release?.();
    (await second)?.();
    expect(isSecondOn).to.equal(true);
  });

  it('does not wait for the agent of another node', async () => {
    const { log } = recordingLog();
    const first = await becomeTheOnlyOne({ stateDir: join(root, 'a'), log }, never);
    const second = await becomeTheOnlyOne({ stateDir: join(root, 'b'), log }, never);
    expect([first, second]).not.to.include(undefined);
    first?.();
    second?.();
  });

  it('gives up at the signal', async () => {
    const { log } = recordingLog();
    const release = await becomeTheOnlyOne({ stateDir: root, log }, never);
    expect(await becomeTheOnlyOne({ stateDir: root, log }, AbortSignal.timeout(20))).to.equal(undefined);
    release?.();
  });

  it('goes on where the folder cannot be had', async () => {
    const { log, lines } = recordingLog();
    await writeFile(join(root, 'file'), '');
    expect(await becomeTheOnlyOne({ stateDir: join(root, 'file/state'), log }, never)).to.be.a('function');
    expect(lines.join()).to.contain('cannot tell');
  });
});
