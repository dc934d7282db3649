import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeTempDir, removeTempDir } from '../../env/cluster-temp-dir.ts';
import { needsRoot } from '../../env/needs-root.ts';
import { copyDisk } from '../disk/layout.ts';
import { readPersistFile, writeSlotFile } from '../disk/offline.ts';
import { runUntilOff, tinyDisks } from '../disk/tiny-machine.ts';
import { loggedDisk } from './logged-disk.ts';
import { createReplayer } from './replay.ts';
import { openWriteLog } from './write-log.ts';

describe('a machine whose disk keeps a log', function () {
  this.timeout(900_000);
  let dir: string;

  before(function () {
    needsRoot(this, 'making the system of a machine');
    dir = makeTempDir('replay');
  });
  after(() => dir && removeTempDir(dir));

  it('has at the end the disk that the whole log replayed makes, and can be cut before that', async () => {
    const disk = await (await tinyDisks(dir)).make('bios');
    await writeSlotFile(disk, 'A', '/write', '');
    const base = await copyDisk(disk, join(dir, 'base'));
    const { args, logPath } = loggedDisk(disk.path, join(dir, 'log'));
    await runUntilOff(disk, dir, { diskNode: args });
    const log = openWriteLog(logPath);
    const count = log.advance();
    expect(count).to.be.greaterThan(3);
    const replayer = createReplayer(log, base, join(dir, 'work'));
    const none = await replayer.build(0, () => 0, join(dir, 'none'));
    expect(await readPersistFile(none, '/etc/written')).to.equal(undefined);
    const whole = await replayer.build(count, () => 0.999, join(dir, 'whole'));
    expect(readFileSync(whole.path).equals(readFileSync(disk.path))).to.equal(true);
    expect(await readPersistFile(whole, '/etc/written')).to.equal('A\n');
    log.close();
  });
});
