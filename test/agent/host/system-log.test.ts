import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createLogger, format, type Logger } from 'winston';
import {
  createSystemLog,
  type SystemLog,
  type SystemLogOptions,
} from '../../../src/agent/host/system-log.ts';
import { type Rsyslog, startRsyslog } from '../../env/rsyslog.ts';
import { eventually } from '../../env/wait.ts';
import { fakeTime } from '../../kube/help.ts';
import { JournalServer } from './journal-server.ts';

const HEADER = 'node-agent\n\n6\n1\n1\n0\n0\n';
const SOON = { timeoutMs: 30_000, what: 'the system log moves' };

describe("the node's system log", function () {
  this.timeout(60_000);
  let root: string;
  let routes: (string | undefined)[];
  let troubles: string[];
  let open: SystemLog[];
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'syslog-'));
    [routes, troubles, open] = [[], [], []];
  });
  afterEach(async () => {
    for (const systemLog of open) await systemLog.close();
    await rm(root, { recursive: true });
  });

  const start = (options: Partial<SystemLogOptions> = {}): { log: Logger; systemLog: SystemLog } => {
    const systemLog = createSystemLog({
      hostRoot: root,
      onRoute: (route, trouble) => {
        routes.push(route);
        if (trouble) troubles.push(trouble);
      },
      ...options,
    });
    open.push(systemLog);
    const log = createLogger({
      level: 'debug',
      format: format.combine(format.timestamp(), format.json()),
      transports: [systemLog.transport],
    });
    return { log, systemLog };
  };

  describe('of journald', () => {
    let journal: JournalServer;
    beforeEach(async () => {
      journal = new JournalServer(root);
      await journal.start();
    });
    afterEach(() => journal.stop());
    const has = (text: string) =>
      eventually(() => journal.text.includes(text), { ...SOON, what: `journald has ${text}` });

    it('has the header, then the lines of level info and above', async () => {
      const { log } = start();
      log.debug('every pass');
      log.info('slot staged', { slot: 'B' });
      log.error('upgrade ended without success', { reason: 'InsecureAddress' });
      await has('InsecureAddress');
      expect(journal.streams).to.deep.equal([
        `${HEADER}<6>slot staged slot=B\n<3>InsecureAddress: upgrade ended without success\n`,
      ]);
      expect(routes).to.deep.equal(['journald']);
    });

    it('is one stream, though journald closes its own direction at once', async () => {
      const { log } = start();
      for (const word of ['one', 'two', 'three']) {
        log.info(word);
        await has(word);
      }
      expect(journal.streams).to.have.lengthOf(1);
    });

    it('goes on after a restart of journald, without a line lost', async () => {
      const { log } = start();
      log.info('before');
      await has('before');
      await journal.stop();
      log.info('meanwhile');
      await journal.start();
      log.info('after');
      await has('after');
      expect(journal.streams).to.deep.equal([`${HEADER}<6>before\n`, `${HEADER}<6>meanwhile\n<6>after\n`]);
      expect(troubles).to.deep.equal([]);
    });

    it('that takes nothing holds nobody up, and is told of once', async () => {
      await journal.stop();
      journal.isStuck = true;
      await journal.start();
      const time = fakeTime();
      const { log, systemLog } = start({ timer: time, maxLines: 500 });
      for (let i = 0; i < 5_000; i += 1) log.info('ü'.repeat(4_000));
      await eventually(
        async () => {
          await time.advance(20_000);
          return troubles.length > 0;
        },
        { ...SOON, everyMs: 5 },
      );
      expect(troubles).to.deep.equal(['the system logger does not answer']);
      const closing = systemLog.close();
      await time.advance(1_000);
      await closing;
    });
  });

  describe('of rsyslog', () => {
    let rsyslog: Rsyslog;
    beforeEach(async () => {
      rsyslog = await startRsyslog(root);
    });
    afterEach(() => rsyslog.stop());
    const has = (text: string) =>
      eventually(async () => (await rsyslog.messages()).includes(text), {
        ...SOON,
        what: `messages has ${text}`,
      });

    it('is in /var/log/messages, under the name of the agent', async () => {
      const { log } = start();
      log.info('slot staged', { slot: 'B' });
      await has('slot staged');
      expect(await rsyslog.messages()).to.match(
        new RegExp(` node-agent\\[${process.pid}\\]: slot staged slot=B\n$`),
      );
      expect(routes).to.deep.equal(['/dev/log']);
    });

    it('keeps the order, and long lines and other scripts whole', async () => {
      const { log } = start();
      const words = Array.from({ length: 200 }, (_, i) => `line-${i}`);
      for (const word of words) log.info(word);
      log.warn(`über ${'x'.repeat(3_500)} Ende`);
      await has('Ende');
      const text = await rsyslog.messages();
      expect([...text.matchAll(/line-\d+/g)].map(String)).to.deep.equal(words);
    });

    it('goes on after a restart of rsyslog, without a line lost or twice', async () => {
      const { log } = start();
      log.info('before');
      await has('before');
      await rsyslog.stop();
      log.info('meanwhile');
      await rsyslog.start();
      log.info('after');
      await has('after');
      expect([...(await rsyslog.messages()).matchAll(/before|meanwhile|after/g)].map(String)).to.deep.equal([
        'before',
        'meanwhile',
        'after',
      ]);
    });

    it('is found by links, which lead from the root of the host', async () => {
      await mkdir(join(root, 'outer/dev'), { recursive: true });
      await mkdir(join(root, 'outer/run'));
      await rename(join(root, 'dev/log'), join(root, 'outer/run/syslog'));
      await symlink('/run/syslog', join(root, 'outer/run/log'));
      await symlink('../run/log', join(root, 'outer/dev/log'));
      const { log } = start({ hostRoot: join(root, 'outer') });
      log.info('by a link');
      await has('by a link');
    });

    it('writes what waits when the agent ends', async () => {
      const { log, systemLog } = start();
      log.info('agent ends');
      await systemLog.close();
      await has('agent ends');
    });
  });

  describe('where there is none', () => {
    it('is said once, and nothing waits', async () => {
      const time = fakeTime();
      const { log } = start({ timer: time });
      log.info('one');
      await eventually(() => troubles.length > 0, SOON);
      log.info('two');
      await time.advance(3_600_000);
      expect(routes).to.deep.equal([undefined]);
      expect(troubles[0]).to.contain('/dev/log');
    });

    it('has the lines from before once there is one, and tells how many did not fit', async () => {
      const { log } = start({ maxLines: 2 });
      for (const word of ['one', 'two', 'three', 'four', 'five']) log.info(word);
      await eventually(() => routes.length === 1, SOON);
      const journal = new JournalServer(root);
      await journal.start();
      try {
        await eventually(() => journal.text.includes('count='), SOON);
        log.info('six');
        await eventually(() => journal.text.includes('six'), SOON);
        expect(journal.text.replace(HEADER, '').split('\n')).to.deep.equal([
          '<6>one',
          '<6>two',
          '<4>lines were not taken by the system logger and dropped here: the log of the pod has them count=3',
          '<6>six',
          '',
        ]);
      } finally {
        await journal.stop();
      }
    });

    it('a file in its place is none', async () => {
      await mkdir(join(root, 'dev'));
      await writeFile(join(root, 'dev/log'), '');
      const { log } = start();
      log.info('one');
      await eventually(() => routes.length > 0, SOON);
      expect(routes).to.deep.equal([undefined]);
    });

    it('a socket that nobody listens at is told of, with the reason', async () => {
      const rsyslog = await startRsyslog(root);
      await rsyslog.stop();
      const { log } = start();
      log.info('one');
      await eventually(() => troubles.length > 0, SOON);
      expect(troubles[0]).to.contain('Connection refused');
    });
  });
});
