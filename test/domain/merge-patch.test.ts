import { expect } from 'chai';
import fc from 'fast-check';
import { mergePatchOf } from '../../src/domain/merge-patch.ts';

type Json = { [name: string]: unknown };

/** RFC 7386, as the API server does it. */
function apply(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const fields: Json =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete fields[name];
    else fields[name] = apply(fields[name], value);
  }
  return fields;
}

const value = fc.letrec<{ json: unknown; object: Json }>(tie => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.integer(),
    fc.string(),
    fc.boolean(),
    fc.array(fc.integer()),
    tie('object'),
  ),
  object: fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('json')),
})).object;

describe('mergePatchOf', () => {
  it('makes one object of another', () => {
    fc.assert(
      fc.property(value, value, (from, to) => {
        expect(apply(from, mergePatchOf(from, to) ?? {})).to.deep.equal(apply({}, to));
      }),
    );
  });

  it('is nothing for equal objects', () => {
    fc.assert(fc.property(value, object => mergePatchOf(object, structuredClone(object)) === undefined));
  });

  it('removes what is gone, also deep down', () => {
    const from = { image: { version: 'v1', size: 1 }, reason: 'X' };
    expect(mergePatchOf(from, { image: { version: 'v2' } })).to.deep.equal({
      image: { version: 'v2', size: null },
      reason: null,
    });
  });
});
