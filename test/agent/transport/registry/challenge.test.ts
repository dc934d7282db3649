import { expect } from 'chai';
import { parseChallenges } from '../../../../src/agent/transport/registry/challenge.ts';

const read = (header: string | string[] | undefined) =>
  parseChallenges(header).map(({ scheme, params }) => [scheme, Object.fromEntries(params)]);

describe('a challenge to log in', () => {
  for (const { what, header, want } of [
    { what: 'none', header: undefined, want: [] },
    { what: 'an empty one', header: '', want: [] },
    { what: 'a scheme alone', header: 'Negotiate', want: [['negotiate', {}]] },
    { what: 'Basic', header: 'Basic realm="a b"', want: [['basic', { realm: 'a b' }]] },
    {
      what: 'Bearer with commas in quotes',
      header: 'Bearer realm="https://t/x",service="r",scope="repository:a/b:pull,push"',
      want: [['bearer', { realm: 'https://t/x', service: 'r', scope: 'repository:a/b:pull,push' }]],
    },
    { what: 'names in capitals', header: 'BEARER REALM=x', want: [['bearer', { realm: 'x' }]] },
    {
      what: 'spaces around',
      header: ' Bearer  realm = "x" , service=y ',
      want: [['bearer', { realm: 'x', service: 'y' }]],
    },
    {
      what: 'quotes in quotes',
      header: 'Basic realm="a \\"b\\" \\\\"',
      want: [['basic', { realm: 'a "b" \\' }]],
    },
    {
      what: 'two in one line',
      header: 'Negotiate, Basic realm="x", charset="UTF-8", Bearer realm="y"',
      want: [
        ['negotiate', {}],
        ['basic', { realm: 'x', charset: 'UTF-8' }],
        ['bearer', { realm: 'y' }],
      ],
    },
    {
      what: 'two lines',
      header: ['Basic realm="x"', 'Bearer realm="y"'],
      want: [
        ['basic', { realm: 'x' }],
        ['bearer', { realm: 'y' }],
      ],
    },
    { what: 'an open quote', header: 'Bearer realm="x', want: [['bearer', { realm: '' }]] },
    { what: 'nonsense', header: '"""', want: [] },
    { what: 'a parameter of nothing', header: 'realm="x"', want: [] },
  ])
    it(`reads ${what}`, () => expect(read(header)).to.deep.equal(want));

  it('takes no longer for a long one', () => {
    for (const header of [
      `Bearer ${'a'.repeat(60_000)}`,
      `Basic realm="${'\\'.repeat(60_000)}`,
      ','.repeat(60_000),
    ])
      expect(read(header).length).to.be.at.most(2);
  }).timeout(2000);
});
