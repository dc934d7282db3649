import { expect } from 'chai';
import { describeNote, parseGuardNote } from '../../../src/agent/guard/note.ts';

const LINES = [
  'twinslot-trial-guard 1',
  'slot B',
  'count 1',
  'boot 5f1c',
  'uptime 1021',
  'system maintenance',
  'kubelet inactive',
  'containerd failed',
  'failed var.mount',
  'failed boot-efi.mount',
];
const NOTE = {
  ...{ slot: 'B', bootId: '5f1c', uptimeSeconds: 1021 },
  ...{ system: 'maintenance', kubelet: 'inactive', containerd: 'failed' },
  failedUnits: ['var.mount', 'boot-efi.mount'],
};

describe('the note of a trial guard', () => {
  it('is read', () => expect(parseGuardNote(`${LINES.join('\n')}\n`)).to.deep.equal(NOTE));

  it('is read as far as it was written', () => {
    const note = parseGuardNote(LINES.slice(0, 5).join('\n'));
    expect(note).to.deep.equal({ ...NOTE, system: '', kubelet: '', containerd: '', failedUnits: [] });
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
    expect(describeNote(note ?? expect.fail())).to.match(/^[\x20-\x7e]{1,1000}$/);
  });

  it('says what it knows, and no more', () => {
    const all = describeNote(parseGuardNote(LINES.join('\n')) ?? expect.fail());
    expect(all).to.contain('1021').and.to.contain('emergency').and.to.contain('var.mount, boot-efi.mount');
    const little = describeNote(parseGuardNote(LINES.slice(0, 5).join('\n')) ?? expect.fail());
    expect(little).to.contain('did not answer').and.not.to.contain('kubelet');
  });
});
