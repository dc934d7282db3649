import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openState } from '../../src/agent/state.ts';
import { reasonOf } from '../../src/domain/errors.ts';
import { marker, trial } from './build.ts';
import { silent } from './world.ts';

describe('the state folder', () => {
  let root: string;
  let folder: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'state-'));
    folder = join(root, 'var/lib/node-agent');
  });
  afterEach(() => rm(root, { recursive: true }));

  it('gives back what was saved, to another process too', async () => {
    await openState(folder, silent).trial.save(trial());
    await openState(folder, silent).marker.save(marker());
    const later = openState(folder, silent);
    expect(await later.trial.load()).to.deep.equal(trial());
    expect(await later.marker.load()).to.deep.equal(marker());
    expect(await later.pin.load()).to.equal(undefined);
  });

  it('leaves no half-written file under the name', async () => {
    const state = openState(folder, silent);
    await state.trial.save(trial());
    await state.trial.save(trial({ attempt: 2 }));
    expect(await readdir(folder)).to.deep.equal(['trial.json']);
    expect(JSON.parse(await readFile(join(folder, 'trial.json'), 'utf8')).attempt).to.equal(2);
  });

  it('forgets', async () => {
    const state = openState(folder, silent);
    await state.marker.clear();
    await state.marker.save(marker());
    await state.marker.clear();
    await state.marker.clear();
    expect(await state.marker.load()).to.equal(undefined);
  });

  describe('that cannot be written', () => {
    // A file where a folder should be stops everybody, root too.
    beforeEach(() => writeFile(join(root, 'var'), 'no folder'));
    const reason = (work: Promise<unknown>) => work.then(() => 'nothing', reasonOf);

    it('says so, with the setting', async () => {
      const state = openState(folder, silent);
      expect(await reason(state.assertWritable())).to.equal('StateNotKept');
      expect(await reason(state.trial.save(trial()))).to.equal('StateNotKept');
      expect(await state.trial.save(trial()).catch(String)).to.contain('stateDir');
    });
    it('holds nothing, and reading it stops nobody', async () => {
      expect(await openState(folder, silent).trial.load()).to.equal(undefined);
    });
    it('lets this process remember what has to go on', async () => {
      const state = openState(folder, silent);
      await state.trial.hold(trial());
      expect(await state.trial.load()).to.deep.equal(trial());
      await state.trial.hold(undefined);
      expect(await state.trial.load()).to.equal(undefined);
      await state.trial.hold(trial());
      await rm(join(root, 'var'));
      await state.trial.save(trial({ attempt: 2 }));
      expect((await state.trial.load())?.attempt).to.equal(2);
    });
  });

  it('shows that it can be written, and leaves nothing', async () => {
    await openState(folder, silent).assertWritable();
    expect(await readdir(folder)).to.deep.equal([]);
  });

  for (const [name, text] of Object.entries({
    'an empty file': '',
    'a torn file': '{"progress":{"na',
    'zeros, as a power cut leaves them': '\0'.repeat(300),
    'another content': '{"phase":"Rebooting"}',
  })) {
    it(`${name} counts as none`, async () => {
      const state = openState(folder, silent);
      await state.trial.save(trial());
      await writeFile(join(folder, 'trial.json'), text);
      expect(await state.trial.load()).to.equal(undefined);
    });
  }
});
