import { expect } from 'chai';
import { AgentConfig } from '../../src/agent/config.ts';
import type { StageProgress } from '../../src/agent/ports.ts';
import { bootAdvice } from '../../src/cli/flash-advice.ts';
import { progressLines, textOf } from '../../src/cli/flash-progress.ts';
import { describeSystem, failedLine, hostsOwn } from '../../src/cli/flash-text.ts';

const MIB = 1024 * 1024;

describe('what ctl flash shows', () => {
  const TEXTS: { name: string; progress: StageProgress; elapsedMs: number; text: string }[] = [
    {
      name: 'a file',
      progress: { phase: 'Downloading', bytesDone: 120 * MIB, bytesTotal: 244 * MIB },
      elapsedMs: 2_000,
      text: 'writing: 120 MiB of 244 MiB, 49%, 63 MB/s',
    },
    {
      name: 'a pipe, whose end nobody knows',
      progress: { phase: 'Downloading', bytesDone: 3 * MIB, bytesTotal: 0 },
      elapsedMs: 1_000,
      text: 'writing: 3.0 MiB, 3.1 MB/s',
    },
    {
      name: 'no rate before there is one',
      progress: { phase: 'Installing', bytesDone: MIB, bytesTotal: 3 * MIB },
      elapsedMs: 999,
      text: 'reading back: 1.0 MiB of 3.0 MiB, 33%',
    },
    {
      name: 'never 100% before the end',
      progress: { phase: 'Installing', bytesDone: 1000 * MIB - 1, bytesTotal: 1000 * MIB },
      elapsedMs: 0,
      text: 'reading back: 1000 MiB of 1000 MiB, 99%',
    },
  ];
  for (const { name, progress, elapsedMs, text } of TEXTS)
    it(name, () => expect(textOf(progress, elapsedMs)).to.equal(text));

  it('is a line every five seconds, and one at the end of each phase', () => {
    let nowMs = 0;
    const lines: string[] = [];
    const view = progressLines(
      { write: line => void lines.push(line) },
      { nowMs: () => nowMs, monotonicMs: () => nowMs },
    );
    const show = (atMs: number, phase: StageProgress['phase'], bytesDone: number) => {
      nowMs = atMs;
      view.show({ phase, bytesDone: bytesDone * MIB, bytesTotal: 10 * MIB });
    };
    for (const atMs of [0, 1_000, 4_999, 5_000, 9_999]) show(atMs, 'Downloading', 1);
    show(10_000, 'Downloading', 10);
    show(10_001, 'Installing', 1);
    show(10_002, 'Installing', 10);
    expect(lines.map(line => line.split(',')[0])).to.deep.equal([
      'writing: 1.0 MiB of 10 MiB',
      'writing: 10 MiB of 10 MiB',
      'reading back: 10 MiB of 10 MiB',
    ]);
  });

  it('names a system without what could draw on the terminal', () => {
    const os = { versionId: '1.35.1\u001b[2J', prettyName: 'Demo\u0007OS' };
    for (const field of ['VERSION_ID', 'PRETTY_NAME'] as const)
      expect(describeSystem(os, field))
        .to.match(/^Demo OS\b/)
        .and.not.match(/\p{Cc}/u);
    expect(describeSystem({ versionId: '', prettyName: '' }, 'VERSION_ID')).to.contain('not set');
  });

  it('tells a slot that was not touched from one that holds nothing', () => {
    const osRelease = { versionId: '1.34.1', prettyName: 'Demo OS 1.34.1' };
    const slot = { name: 'B' as const, path: '/b', sizeBytes: 1, superblockHash: 'a', osRelease };
    expect(failedLine(slot, slot, 'VERSION_ID')).to.contain('Demo OS 1.34.1');
    const { osRelease: _gone, ...destroyed } = { ...slot, superblockHash: 'b' };
    expect(failedLine(slot, destroyed, 'VERSION_ID')).to.contain('nothing that can be booted');
    const other = { ...slot, superblockHash: 'b', osRelease: { ...osRelease, prettyName: 'Other' } };
    expect(failedLine(slot, other, 'VERSION_ID')).to.contain('slot B holds Other');
    expect(failedLine(slot, undefined, 'VERSION_ID')).to.contain('--dry-run');
  });

  it('names paths as the host has them', () => {
    expect(hostsOwn('/host', '/host/dev/sda3')).to.equal('/dev/sda3');
    expect(hostsOwn('/', '/dev/sda3')).to.equal('/dev/sda3');
  });

  it('tells how U-Boot starts a slot once, by the names of the settings', async () => {
    const { hostRoot, bootLoader } = AgentConfig.parse({
      bootLoader: { type: 'u-boot', variables: { slot: 'part' }, values: { A: '2', B: '3' } },
    });
    expect((await bootAdvice({ hostRoot, bootLoader }, 'B', 'A'))[1]).to.equal(
      "  printf 'part=3\\nboot_slot_fallback=2\\nupgrade_available=1\\nbootcount=0\\n' | " +
        'fw_setenv -c /etc/fw_env.config -s -',
    );
  });
});
