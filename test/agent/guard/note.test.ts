import { expect } from 'chai';
import { describeNote, parseGuardNote } from '../../../src/agent/guard/note.ts';

const LINES = [
  'twinslot-trial-guard 1',
  'slot B',
  'count 1',
  'boot 5f1c',
  'uptime 1021',
  'clock 1900000000',
  'network none',
  'system maintenance',
  'kubelet inactive',
  'containerd failed',
  'failed var.mount',
  'failed boot-efi.mount',
  'job slow.service',
];
/** As far as a guard came that was stopped in its words, or one of an older version. */
const FEW_LINES = LINES.slice(0, 5);
const NOTE = {
  ...{ slot: 'B', bootId: '5f1c', uptimeSeconds: 1021 },
  ...{ system: 'maintenance', kubelet: 'inactive', containerd: 'failed' },
  ...{ clockSeconds: 1_900_000_000, network: 'none' },
  failedUnits: ['var.mount', 'boot-efi.mount'],
  runningJobs: ['slow.service'],
};

describe('the note of a trial guard', () => {
  it('is read', () => expect(parseGuardNote(`${LINES.join('\n')}\n`)).to.deep.equal(NOTE));

  it('is read as far as it was written', () => {
    const { clockSeconds: _, ...known } = NOTE;
    expect(parseGuardNote(FEW_LINES.join('\n'))).to.deep.equal({
      ...known,
      ...{ system: '', kubelet: '', containerd: '', network: '', failedUnits: [], runningJobs: [] },
    });
  });

  for (const [what, text] of [
    ['nothing', ''],
    ['of another kind', LINES.slice(1).join('\n')],
    ['of no slot', LINES.with(1, 'slot C').join('\n')],
    ['zeros, as a power cut leaves', '\0'.repeat(4096)],
  ] as const)
    it(`is none: ${what}`, () => expect(parseGuardNote(text)).to.equal(undefined));

  it('is cut, and cleaned of what no status should show', () => {
    const units = Array.from({ length: 5000 }, (_, at) => `failed \u001b[31m${at}${'x'.repeat(500)}`);
    const note = parseGuardNote([...LINES, 'uptime -1', ...units].join('\n'));
    expect(note?.failedUnits.length).to.equal(8);
    expect(describeNote(note ?? expect.fail())).to.match(/^[\x20-\x7e]{1,2000}$/);
  });

  it('says what it knows, and no more', () => {
    const all = describeNote(parseGuardNote(LINES.join('\n')) ?? expect.fail());
    expect(all).to.contain('1021').and.to.contain('emergency').and.to.contain('var.mount, boot-efi.mount');
    expect(all).to.contain('slow.service').and.to.contain('network').and.to.contain('2030-03-17T17:46:40Z');
    expect(all).not.to.contain('pod');
    const little = describeNote(parseGuardNote(FEW_LINES.join('\n')) ?? expect.fail());
    expect(little).to.contain('did not answer').and.not.to.contain('kubelet');
    expect(little).not.to.contain('network').and.not.to.contain('clock');
  });

  it('looks at the pod of the agent where all else was there', () => {
    const words = ['clock 1900000000', 'network eth0', 'kubelet active', 'containerd active'];
    const well = parseGuardNote([...FEW_LINES, ...words].join('\n')) ?? expect.fail();
    expect(describeNote(well)).to.contain('pod');
    for (const at of [1, 2, 3]) {
      const ill = parseGuardNote([...FEW_LINES, ...words.toSpliced(at, 1)].join('\n')) ?? expect.fail();
      expect(describeNote(ill)).not.to.contain('pod');
    }
  });

  it('shows no clock that is none', () => {
    for (const clock of ['', 'x', '-5', '1e300'])
      expect(parseGuardNote([...FEW_LINES, `clock ${clock}`].join('\n'))?.clockSeconds).to.equal(undefined);
  });
});
