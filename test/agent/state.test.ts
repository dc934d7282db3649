import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openState } from '../../src/agent/state.ts';
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
