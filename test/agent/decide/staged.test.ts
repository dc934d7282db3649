import { expect } from 'chai';
import { StagedMarker } from '../../../src/agent/decide/records.ts';
import { isMarkedFor, isStaged, markedImage } from '../../../src/agent/decide/staged.ts';
import type { PlanImage } from '../../../src/api/monok8s/index.ts';
import { CHECKSUM, marker, plan, slot, task } from '../build.ts';

const OTHER = `sha256:${'b'.repeat(64)}`;
const RULE = { field: 'VERSION_ID', isExact: false } as const;
const TAG = { reference: 'registry.example/os:1' };
/** What is kept after `TAG` was staged. */
const tagged = (changes: Partial<StagedMarker> = {}) =>
  marker({ checksum: OTHER, source: TAG.reference, ...changes });

const CASES: {
  name: string;
  image: PlanImage;
  marker: StagedMarker;
  asked?: ReturnType<typeof task>;
  want: boolean;
}[] = [
  {
    name: 'a file of the same checksum',
    image: { url: 'https://h/i', checksum: CHECKSUM },
    marker: marker(),
    want: true,
  },
  {
    name: 'a checksum in other letters',
    image: { url: 'https://h/i', checksum: CHECKSUM.toUpperCase().replace('SHA', 'sha') },
    marker: marker({ uid: 'another', attempt: 9 }),
    want: true,
  },
  { name: 'another checksum', image: { url: 'https://h/i', checksum: OTHER }, marker: marker(), want: false },
  { name: 'a tag, by the same object', image: TAG, marker: tagged(), want: true },
  {
    name: 'a tag, as oci://',
    image: { url: 'oci://registry.example/os:1' },
    marker: tagged({ source: 'oci://registry.example/os:1' }),
    want: true,
  },
  {
    name: 'a tag, by a retry after the drain took too long',
    image: TAG,
    marker: tagged(),
    asked: task('Failed'),
    want: true,
  },
  { name: 'a tag, by another object', image: TAG, marker: tagged({ uid: 'another' }), want: false },
  { name: 'another tag', image: { reference: 'registry.example/os:2' }, marker: tagged(), want: false },
  { name: 'a tag, with a marker of an older agent', image: TAG, marker: marker(), want: false },
  {
    name: 'a tag, by a retry of what was tried and rolled back: it may have been mended meanwhile',
    image: TAG,
    marker: tagged(),
    asked: { ...task('RolledBack'), isNew: true },
    want: false,
  },
  {
    name: 'a tag, by an attempt that has begun since',
    image: TAG,
    marker: tagged(),
    asked: { ...task('Staged'), isNew: false },
    want: true,
  },
  {
    name: 'a tag with the digest that was found',
    image: { ...TAG, checksum: OTHER },
    marker: tagged({ uid: 'another' }),
    want: true,
  },
  {
    name: 'a reference by digest, by another object',
    image: { reference: `a/b@${CHECKSUM}` },
    marker: marker({ uid: 'another' }),
    want: true,
  },
  {
    name: 'a reference by another digest',
    image: { reference: `a/b@${OTHER}` },
    marker: marker(),
    want: false,
  },
  { name: 'a slot that was rolled back to', image: TAG, marker: marker({ checksum: '' }), want: false },
  {
    name: 'a slot that was rolled back to, by a plan without checksum',
    image: { url: 'https://h/i', checksum: '' },
    marker: marker({ checksum: '' }),
    want: false,
  },
];

describe('whether a marker tells of the image that is asked for', () => {
  for (const { name, image, marker: given, asked = task(), want } of CASES) {
    it(`${name}: ${want ? 'yes' : 'no'}`, () => {
      const wanted = plan({ image });
      const at = slot('B', '1.35.1');
      expect(isMarkedFor(given, asked, wanted, at)).to.equal(want);
      expect(isStaged(given, asked, wanted, { slot: at, rule: RULE })).to.equal(want);
      // Whatever it tells, the slot has to be as it was left.
      expect(isStaged(given, asked, wanted, { slot: slot('B', '1.35.1', 'other'), rule: RULE })).to.equal(
        false,
      );
      expect(isStaged(given, asked, wanted, { slot: slot('B', '1.35.0'), rule: RULE })).to.equal(false);
      expect(isMarkedFor(given, asked, wanted, slot('A', '1.35.1'))).to.equal(false);
    });
  }

  it('a rollback takes any marker of the slot', () =>
    expect(isMarkedFor(tagged(), task(), plan({ kind: 'rollback' }), slot('B', '1'))).to.equal(true));
  it('no marker tells of nothing', () =>
    expect(isMarkedFor(undefined, task(), plan({ kind: 'rollback' }), slot('B', '1'))).to.equal(false));
});

describe('what a marker keeps', () => {
  const staged = { checksum: OTHER, expandedBytes: 1, superblockHash: 'h' };
  const url = 'https://user:secret@h/i?token=1';
  for (const [name, given, want] of [
    [
      'the checksum of the plan',
      plan({ image: { url, checksum: CHECKSUM } }),
      { checksum: CHECKSUM, source: 'https://h/i' },
    ],
    ['the digest that a tag had', plan({ image: TAG }), { checksum: OTHER, source: TAG.reference }],
    [
      'the digest that a reference names, be it that of an index',
      plan({ image: { reference: `a/b@${CHECKSUM}` } }),
      { checksum: CHECKSUM, source: `a/b@${CHECKSUM}` },
    ],
    ['nothing of a rollback', plan({ kind: 'rollback', image: TAG }), { checksum: '' }],
  ] as const) {
    it(name, () => expect(markedImage(given, staged, undefined)).to.deep.equal(want));
  }
  it('what was known of a tag that was found staged', () =>
    expect(markedImage(plan({ image: TAG }), undefined, tagged()).checksum).to.equal(OTHER));
  it('markers of older agents are still understood', () =>
    expect(
      StagedMarker.parse({
        uid: 'u',
        attempt: 1,
        slot: 'B',
        checksum: CHECKSUM,
        superblockHash: 'h',
        version: 'v',
      }).source,
    ).to.equal(undefined));
});
