import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { type PowerCut, powerCutEnv, powerCutHappened, readTrace } from './node/power-cut-plan.ts';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const OLD = Buffer.alloc(4096, 'a');
const NEW = Buffer.alloc(4096, 'b');

describe('the power cut', function () {
  this.timeout(60_000);
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'power-cut-'));
    await reset();
  });
  afterEach(() => rm(dir, { recursive: true }));

  async function reset(): Promise<void> {
    await rm(dir, { recursive: true });
    await mkdir(join(dir, 'root'), { recursive: true });
    await writeFile(join(dir, 'root/disk'), OLD);
  }

  /** Runs a program with `fs`, `disk` (an open handle), `NEW` and `at` (a path below the root) at hand. */
  async function run(program: string, cut: PowerCut): Promise<NodeJS.Signals | null> {
    const prelude = `import fs, * as named from 'node:fs'; import { open, writeFile, rename } from 'node:fs/promises';
      const at = name => ${JSON.stringify(join(dir, 'root'))} + '/' + name;
      const NEW = Buffer.alloc(4096, 'b'); const disk = await open(at('disk'), 'r+');`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', prelude + program], {
      env: { ...process.env, ...powerCutEnv(dir, cut) },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const [[code, signal], errors] = await Promise.all([once(child, 'exit'), text(child.stderr)]);
    if (signal === null && code !== 0) throw new Error(errors);
    return signal;
  }

  /** What is left after a power cut, for several fates of what was not flushed. */
  async function outcomes<T>(program: string, cut: PowerCut, look: () => Promise<T> | T): Promise<T[]> {
    const found: T[] = [];
    for (const seed of SEEDS) {
      await reset();
      expect(await run(program, { ...cut, seed })).to.equal('SIGKILL');
      expect(await powerCutHappened(dir)).to.equal(true);
      found.push(await look());
    }
    return found;
  }
  const disk = () => readFile(join(dir, 'root/disk'));
  const kindOf = (content: Buffer): string =>
    content.equals(NEW) ? 'kept' : content.equals(OLD) ? 'lost' : 'torn';

  it('leaves what was flushed', async () => {
    const program = `await disk.write(NEW, 0, 4096, 0); await disk.sync(); await disk.write(NEW, 0, 512, 0);`;
    expect(new Set(await outcomes(program, { at: 3 }, async () => kindOf(await disk())))).to.deep.equal(
      new Set(['kept']),
    );
  });

  it('loses, keeps or tears at sectors what was not flushed', async () => {
    const contents = await outcomes(`await disk.write(NEW, 0, 4096, 0);`, { at: 1 }, disk);
    expect(new Set(contents.map(kindOf))).to.deep.equal(new Set(['kept', 'lost', 'torn']));
    for (const content of contents) {
      for (let at = 0; at < content.length; at += 512)
        expect(new Set(content.subarray(at, at + 512)).size).to.equal(1);
    }
  });

  it('cuts before a flush takes effect', async () => {
    const program = `await disk.write(NEW, 0, 4096, 0); await disk.sync();`;
    const kinds = await outcomes(program, { on: 'sync', at: 1 }, async () => kindOf(await disk()));
    expect(kinds).to.include('lost');
  });

  it('takes O_DSYNC for flushed, and O_DIRECT not', async () => {
    const program = (flag: string) => `
      const { O_RDWR, ${flag} } = fs.constants;
      const flushed = await open(at('disk'), O_RDWR | ${flag});
      const page = Buffer.from(new WebAssembly.Memory({ initial: 1 }).buffer, 0, 4096).fill('b');
      await flushed.write(page, 0, 4096, 0); fs.writeFileSync(at('other'), 'x');`;
    const look = async () => kindOf(await disk());
    expect(await outcomes(program('O_DSYNC'), { on: 'other', at: 1 }, look)).not.to.include('lost');
    expect(await outcomes(program('O_DIRECT'), { on: 'other', at: 1 }, look)).to.include('lost');
  });

  it('can keep a later write and lose an earlier one', async () => {
    const program = `for (let at = 0; at < 4096; at += 512) await disk.write(NEW, 0, 512, at);`;
    const orders = await outcomes(program, { at: 8 }, async () => {
      const content = await disk();
      return Array.from({ length: 8 }, (_, index) =>
        content.toString('utf8', index * 512, index * 512 + 1),
      ).join('');
    });
    expect(orders.filter(order => /ab/.test(order))).not.to.deep.equal([]);
  });

  it('can undo a rename whose folder was not flushed, and brings back what it replaced', async () => {
    const rename = `await writeFile(at('new'), NEW, { flush: true }); await rename(at('new'), at('disk'));`;
    const flush = `const folder = await open(at('.'), 'r'); await folder.sync();`;
    const last = `fs.unlinkSync(at('disk'));`;
    const loose = await outcomes(rename, { on: 'rename', at: 1 }, async () => kindOf(await disk()));
    expect(new Set(loose)).to.deep.equal(new Set(['kept', 'lost']));
    const firm = await outcomes(rename + flush + last, { on: 'unlink', at: 1 }, async () =>
      existsSync(join(dir, 'root/disk')) ? kindOf(await disk()) : 'removed',
    );
    expect(new Set(firm)).to.deep.equal(new Set(['kept', 'removed']));
  });

  it('can lose a new file and its length', async () => {
    const program = `fs.writeFileSync(at('note'), 'x'.repeat(600)); fs.truncateSync(at('disk'), 0);`;
    const found = await outcomes(program, { at: 3 }, async () => [
      ...(await readdir(join(dir, 'root'))).filter(name => name === 'note'),
      (await disk()).length,
    ]);
    expect(new Set(found.map(String))).to.include.members(['4096', 'note,0']);
  });

  it('follows calls of every style, in order, over several starts', async () => {
    const program = `await disk.write(NEW, 0, 1, 5); await disk.writeFile('xy'); await disk.datasync();
      named.appendFileSync(at('disk'), 'z'); fs.mkdirSync(at("folder/deep"), { recursive: true });
      await new Promise(done => fs.write(disk.fd, NEW, 0, 2, 0, done)); fs.rmSync(at('disk'));`;
    expect(await run(program, {})).to.equal(null);
    const trace = await readTrace(dir);
    expect(trace).to.deep.equal([
      'write /disk 5+1',
      'write /disk 0+2',
      'sync /disk',
      'write /disk 4096+1',
      'mkdir /folder',
      'write /disk 0+2',
      'unlink /disk',
    ]);
    await writeFile(join(dir, 'root/disk'), OLD);
    expect(await run(`await disk.write(NEW, 0, 1, 9);`, { at: 8 })).to.equal('SIGKILL');
  });

  it('refuses what it cannot follow', async () => {
    const error = await run(`fs.copyFileSync(at('disk'), at('copy'));`, {}).catch(error => error.message);
    expect(error).to.contain('cannot follow fs.copyFile');
  });
});
