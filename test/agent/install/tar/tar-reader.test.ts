import { expect } from 'chai';
import fc from 'fast-check';
import { END_MARK, encodeMember } from '../../../../src/agent/install/tar/encode-member.ts';
import { isArchive, paddingOf } from '../../../../src/agent/install/tar/header.ts';
import { type Member, storedBytes } from '../../../../src/agent/install/tar/member.ts';
import { readTar } from '../../../../src/agent/install/tar/tar-reader.ts';
import { reasonOf } from '../../../../src/domain/errors.ts';
import { directory, file, member, symlink, tarOf } from './build-tar.ts';

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Buffer, size = 700): Promise<{ member: Member; data: string }[]> {
  const found: { member: Member; data: string }[] = [];
  for await (const event of readTar(inPieces(bytes, size), 'refuse')) {
    if (event.type === 'member') found.push({ member: event.member, data: '' });
    const last = found.at(-1);
    if (event.type === 'data' && last !== undefined) last.data += event.bytes.toString('latin1');
  }
  return found;
}

const reasonAndText = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'nothing',
    (error: Error) => `${reasonOf(error)} ${error.message}`,
  );

describe('reading a tar archive', () => {
  const name = fc.string({
    minLength: 1,
    maxLength: 300,
    unit: fc.integer({ min: 1, max: 255 }).map(code => String.fromCharCode(code)),
  });
  const path = name.filter(text => !text.endsWith('/'));
  const anyMember = fc.record({
    path,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
    gid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
    mtime: fc.oneof(
      fc.integer({ min: 0, max: 2 ** 40 }).map(String),
      fc.integer({ min: -1e9, max: 2 ** 32 }).map(seconds => `${seconds}.123456789`),
    ),
    attributes: fc
      .uniqueArray(
        fc.tuple(
          name.map(text => `user.${text.replace(/[=%]/g, '')}`),
          name,
        ),
        {
          maxLength: 3,
          selector: ([key]) => key,
        },
      )
      .map(list => list.sort(([left], [right]) => (left < right ? -1 : 1))),
  });

  it('gives back what was written, whatever the names and numbers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(anyMember, fc.string({ maxLength: 2000 })), { maxLength: 4 }),
        fc.integer({ min: 1, max: 3000 }),
        async (told, size) => {
          const entries = told.map(([change, text]): [Member, Buffer] => {
            const bytes = Buffer.from(text);
            return [member(change.path, { ...change, sizeBytes: bytes.length }), bytes];
          });
          const found = await read(tarOf(...entries), size);
          expect(found.map(({ member: got }) => got)).to.deep.equal(entries.map(([wanted]) => wanted));
          expect(found.map(({ data }) => data)).to.deep.equal(
            entries.map(([, bytes]) => bytes.toString('latin1')),
          );
        },
      ),
    );
  });

  it('knows links, folders and devices', async () => {
    const device = member('d', { kind: 'block', deviceMajor: 259, deviceMinor: 70_000 });
    const found = await read(
      tarOf(directory('a/'), symlink('s', 'x'.repeat(150)), [device, Buffer.alloc(0)]),
    );
    expect(found.map(({ member: { kind } }) => kind)).to.deep.equal(['directory', 'symlink', 'block']);
    expect(found[1]?.member.linkTarget).to.have.length(150);
    expect(found[2]?.member).to.include({ deviceMajor: 259, deviceMinor: 70_000 });
  });

  it('gives the data of a sparse file at their places', async () => {
    const segments = [
      { offset: 4096, bytes: 10 },
      { offset: 2 ** 40, bytes: 5 },
    ];
    const sparse = member('s', { sizeBytes: 2 ** 41, segments });
    const bytes = Buffer.concat([
      encodeMember(sparse),
      Buffer.from('0123456789abcde'),
      Buffer.alloc(paddingOf(storedBytes(sparse))),
      END_MARK,
    ]);
    const places: unknown[] = [];
    for await (const event of readTar(inPieces(bytes, 300), 'refuse')) {
      if (event.type === 'member')
        expect(event.member).to.deep.include({ sizeBytes: 2 ** 41, segments, path: 's' });
      if (event.type === 'data') places.push([event.offset, event.bytes.toString()]);
    }
    expect(places).to.deep.equal([
      [4096, '0123456789'],
      [2 ** 40, 'abcde'],
    ]);
  });

  it('reads a map of very many holes in no time', async () => {
    const segments = Array.from({ length: 200_000 }, (_unused, at) => ({ offset: at * 8192, bytes: 1 }));
    const sparse = member('s', { sizeBytes: 200_000 * 8192, segments });
    const bytes = [encodeMember(sparse), Buffer.alloc(storedBytes(sparse)), Buffer.alloc(256), END_MARK];
    const [found] = await read(Buffer.concat(bytes), 4096);
    expect(found?.member.segments).to.have.length(200_000);
  }).timeout(10_000);

  for (const { what, segments, sizeBytes } of [
    { what: 'goes past the end', segments: [{ offset: 90, bytes: 20 }], sizeBytes: 100 },
    {
      what: 'goes backwards',
      segments: [
        { offset: 50, bytes: 20 },
        { offset: 60, bytes: 20 },
      ],
      sizeBytes: 100,
    },
  ]) {
    it(`refuses a map of holes that ${what}`, async () => {
      const bytes = Buffer.concat([
        encodeMember(member('s', { sizeBytes, segments })),
        Buffer.alloc(512),
        END_MARK,
      ]);
      expect(await reasonAndText(read(bytes))).to.match(/^ImageInvalid .*holes/);
    });
  }

  it('refuses an archive that is cut off anywhere', async () => {
    const whole = tarOf(directory('a'), file('a/b', 'text'), [
      member('c'.repeat(200), { mtime: '1.5' }),
      Buffer.alloc(0),
    ]);
    for (let length = 0; length < whole.length - 1024; length += 100) {
      expect(await reasonAndText(read(whole.subarray(0, length))), String(length)).to.match(
        /^ImageInvalid .*cut off/,
      );
    }
  });

  it('never crashes on bytes that are anything', async () => {
    const whole = tarOf(directory('a'), file('a/b', 'text'), [
      member('c'.repeat(200), { mtime: '1.5' }),
      Buffer.alloc(0),
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), async (at, byte) => {
        const bytes = Buffer.from(whole);
        bytes[at] = byte;
        expect((await reasonAndText(read(bytes))).split(' ')[0]).to.be.oneOf(['nothing', 'ImageInvalid']);
      }),
      { numRuns: 500 },
    );
  });

  it('tells an archive by its first bytes', () => {
    expect(isArchive(tarOf(file('a')))).to.equal(true);
    expect(isArchive(Buffer.alloc(4096))).to.equal(false);
    expect(isArchive(Buffer.from('short'))).to.equal(false);
    const other = tarOf(file('a'));
    other[0] = 0x62;
    expect(() => isArchive(other)).to.throw('tar archive');
  });
});
