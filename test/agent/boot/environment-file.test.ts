import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { changeEnvironment, readEnvironment } from '../../../src/agent/boot/environment-file.ts';

const execute = promisify(execFile);
const MODULE = pathToFileURL(join(import.meta.dirname, '../../../src/agent/boot/environment-file.ts')).href;

describe("file of GRUB's environment", () => {
  let [folder, path] = ['', ''];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'grubenv-'));
    path = join(folder, 'grubenv');
    await execute('grub-editenv', [path, 'create']);
    await execute('grub-editenv', [path, 'set', 'saved_entry=A']);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('names what the system said when a write fails, so that the attempt ends', async () => {
    const before = await readFile(path);
    const script = `
      const { changeEnvironment } = await import(${JSON.stringify(MODULE)});
      await changeEnvironment(process.argv[1], new Map([['next_entry', 'B']])).catch(error =>
        console.log(error.constructor.name, error.reason, error.message));`;
    // No file may be written to at all by this process.
    const node = [process.execPath, '--input-type=module', '-e', script, path];
    const { stdout } = await execute('prlimit', ['--fsize=0', ...node]);
    expect(stdout).to.match(/^StalledError BootEnvironmentInvalid .*EFBIG/);
    expect(await readFile(path)).to.deep.equal(before);
  });

  it('answers many at once, each with what the file holds', async () => {
    await changeEnvironment(path, new Map([['next_entry', 'B']]));
    const answers = await Promise.all(Array.from({ length: 8 }, () => readEnvironment(path)));
    for (const answer of answers) expect(answer.get('next_entry')).to.equal('B');
  });
});
