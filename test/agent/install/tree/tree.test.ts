import { expect } from 'chai';
import { applyMember } from '../../../../src/agent/install/tree/apply.ts';
import { findPlace, partsOf } from '../../../../src/agent/install/tree/resolve.ts';
import { type Entry, newTree, walk } from '../../../../src/agent/install/tree/tree.ts';
import { applyWhiteout, whiteoutOf } from '../../../../src/agent/install/tree/whiteouts.ts';
import { directory, file, hardlink, symlink } from '../tar/build-tar.ts';

type Told = ReturnType<typeof file>;

/** The tree that layers make, each a list of members. */
function treeOf(...layers: Told[][]): Entry {
  const root = newTree();
  for (const [layer, members] of layers.entries())
    for (const [told] of members) applyMember(root, told, layer);
  return root;
}
const namesOf = (root: Entry): string[] =>
  [...walk(root)].map(([path]) => path).filter(path => path !== '.' && path !== 'lost+found');

describe('the tree of what is unpacked', () => {
  const linked = [
    directory('usr/lib'),
    symlink('lib', 'usr/lib'),
    symlink('abs', '/usr/./lib/'),
    symlink('up', '../../usr'),
    symlink('dangling', 'no/where'),
  ];
  for (const { path, real } of [
    { path: './a/b', real: 'a/b' },
    { path: '/a//b/./c', real: 'a/b/c' },
    { path: './', real: '.' },
    { path: '.', real: '.' },
    { path: 'lib/x', real: 'usr/lib/x' },
    { path: 'abs/x', real: 'usr/lib/x' },
    { path: 'up/lib/x', real: 'usr/lib/x' },
    { path: 'lib', real: 'lib' },
    { path: 'dangling/x', real: 'no/where/x' },
  ]) {
    it(`puts ${path} at ${real}`, () => {
      expect(findPlace(treeOf(linked), path, { layer: 0, missing: 'make' })?.path).to.equal(real);
    });
  }

  for (const path of ['..', 'a/..', '../a', 'a/../b', 'a\0b']) {
    it(`refuses ${JSON.stringify(path)}`, () => expect(() => partsOf(path)).to.throw('leads out'));
  }

  it('refuses a name longer than Linux takes, before it makes a folder of each part', () => {
    expect(partsOf('d/'.repeat(2047))).to.have.length(2047);
    expect(() => partsOf('d/'.repeat(2048))).to.throw('4096 bytes');
  });

  it('makes no folders where it only looks', () => {
    const root = treeOf(linked);
    const before = namesOf(root);
    expect(findPlace(root, 'no/such/file', { layer: 0, missing: 'leave' })).to.equal(undefined);
    expect(namesOf(root)).to.deep.equal(before);
  });

  for (const { what, first, next, removes } of [
    { what: 'a folder over a folder', first: directory('a'), next: directory('a'), removes: false },
    { what: 'a file over a file', first: file('a'), next: file('a'), removes: false },
    { what: 'a link over a file', first: file('a'), next: symlink('a', 'b'), removes: false },
    { what: 'a file over a folder', first: directory('a'), next: file('a'), removes: true },
    { what: 'a folder over a file', first: file('a'), next: directory('a'), removes: true },
    { what: 'a folder over a link', first: symlink('a', 'b'), next: directory('a'), removes: true },
  ]) {
    it(`${removes ? 'removes first for' : 'lets the program do'} ${what}`, () => {
      const root = treeOf([first]);
      expect(applyMember(root, next[0], 1).removeFirst).to.equal(removes);
      expect(root.children?.get('a')?.inode.kind).to.equal(next[0].kind);
    });
  }

  it('removes a link first that the same archive made: its placeholder would win', () => {
    const root = treeOf([symlink('a', '/b')]);
    expect(applyMember(root, symlink('a', '/c')[0], 0).removeFirst).to.equal(true);
    expect(applyMember(root, symlink('a', '/d')[0], 1).removeFirst).to.equal(false);
  });

  it('lets two names share what they are names of, until one is replaced', () => {
    const root = treeOf([file('a'), hardlink('b', './a')]);
    expect(root.children?.get('b')?.inode).to.equal(root.children?.get('a')?.inode);
    applyMember(root, file('a')[0], 1);
    expect(root.children?.get('b')?.inode).to.not.equal(root.children?.get('a')?.inode);
  });

  it('has nothing to do for a link to itself', () => {
    expect(applyMember(treeOf([file('a')]), hardlink('a', 'a')[0], 0).member).to.equal(undefined);
  });

  for (const { name, want } of [
    { name: 'a/.wh.b', want: { type: 'removed', path: 'a/b' } },
    { name: './.wh.b', want: { type: 'removed', path: 'b' } },
    { name: 'a/.wh..wh..opq', want: { type: 'emptied', path: 'a' } },
    { name: '.wh..wh..opq', want: { type: 'emptied', path: '' } },
    { name: '.wh..wh.plnk/7.8', want: { type: 'ignored' } },
    { name: '.wh.', want: { type: 'ignored' } },
    { name: 'a/.whatever', want: { type: 'none' } },
    { name: 'a.wh.b', want: { type: 'none' } },
  ]) {
    it(`reads ${name} as ${want.type}`, () => expect(whiteoutOf(name)).to.deep.equal(want));
  }

  for (const { what, layers, mark, gone, left } of [
    { what: 'a file', layers: [[file('a'), file('b')]], mark: '.wh.a', gone: ['a'], left: ['b'] },
    { what: 'a folder with all in it', layers: [[file('a/b/c')]], mark: '.wh.a', gone: ['a'], left: [] },
    {
      what: 'nothing of its own layer',
      layers: [[file('a/b'), file('a/c')], [file('a/d')]],
      mark: '.wh.a',
      gone: ['a/b', 'a/c'],
      left: ['a', 'a/d'],
    },
    {
      what: 'what lies in a folder',
      layers: [[file('a/b'), file('a/c/d')], [file('a/c/e')]],
      mark: 'a/.wh..wh..opq',
      gone: ['a/b', 'a/c/d'],
      left: ['a', 'a/c', 'a/c/e'],
    },
    {
      what: 'what it finds through a link',
      layers: [[file('r/x'), symlink('l', '/r')]],
      mark: 'l/.wh.x',
      gone: ['r/x'],
      left: ['r', 'l'],
    },
    { what: 'nothing that is not there', layers: [[file('a')]], mark: 'x/y/.wh.z', gone: [], left: ['a'] },
    {
      what: 'all but what ext4 needs',
      layers: [[file('a'), file('lost+found/b')]],
      mark: '.wh..wh..opq',
      gone: ['a'],
      left: ['lost+found/b'],
    },
  ]) {
    it(`hides ${what}`, () => {
      const root = treeOf(...layers);
      expect(applyWhiteout(root, whiteoutOf(mark), 1)).to.deep.equal(gone);
      expect(namesOf(root)).to.deep.equal(left);
    });
  }
});
