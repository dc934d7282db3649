import { expect } from 'chai';
import { z } from 'zod';
import { toStructuralSchema } from '../../src/api/crd.ts';
import { KINDS } from '../../src/api/kinds.ts';
import { findStaleFiles } from '../../tools/generate-crds.ts';

describe('toStructuralSchema', () => {
  const cases: { name: string; schema: z.ZodType; want: object }[] = [
    {
      name: 'an integer loses the bounds that only JavaScript has',
      schema: z.int().min(1),
      want: { type: 'integer', minimum: 1 },
    },
    {
      name: 'a real upper bound stays',
      schema: z.int().min(1).max(7),
      want: { type: 'integer', minimum: 1, maximum: 7 },
    },
    {
      name: 'an integer or a text keeps the bounds of both beside the bare types',
      schema: z
        .union([z.int().min(1), z.string().regex(/^([1-9][0-9]?|100)%$/)])
        .meta({ 'x-kubernetes-int-or-string': true }),
      want: {
        'x-kubernetes-int-or-string': true,
        anyOf: [{ type: 'integer' }, { type: 'string' }],
        minimum: 1,
        pattern: '^([1-9][0-9]?|100)%$',
      },
    },
    {
      name: 'anything is kept as it is given',
      schema: z.object({ value: z.unknown().optional() }),
      want: { type: 'object', properties: { value: { 'x-kubernetes-preserve-unknown-fields': true } } },
    },
    {
      name: 'a strict object is an object: the API server prunes',
      schema: z.strictObject({ a: z.string() }),
      want: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
    },
    {
      name: 'a map keeps the schema of its values',
      schema: z.record(z.string(), z.string()),
      want: { type: 'object', additionalProperties: { type: 'string' } },
    },
    {
      name: 'null, defaults, descriptions and rules pass through',
      schema: z
        .string()
        .regex(/^https?:\/\//)
        .nullable()
        .default(null)
        .meta({ description: 'address', 'x-kubernetes-validations': [{ rule: 'true' }] }),
      want: {
        type: 'string',
        pattern: '^https?://',
        nullable: true,
        default: null,
        description: 'address',
        'x-kubernetes-validations': [{ rule: 'true' }],
      },
    },
  ];
  for (const { name, schema, want } of cases)
    it(name, () => expect(toStructuralSchema(schema)).to.deep.equal(want));
});

describe('config/crd', () => {
  it('is what the schemas say (npm run generate)', async () =>
    expect(await findStaleFiles()).to.deep.equal([]));

  it('shows exactly the columns of the documents without -o wide', () => {
    const columns = KINDS.map(({ kind, columns }) => [
      kind,
      columns.filter(({ priority }) => priority !== 1).map(({ name }) => name.toUpperCase()),
    ]);
    expect(Object.fromEntries(columns)).to.deep.equal({
      OSUpgrade: ['DESIRED', 'RESOLVED', 'PHASE'],
      OS: ['OS VERSION', 'SYSCONFIG VERSION', 'UPGRADECONFIG VERSION'],
      OSUpgradeProgress: ['NODE', 'SOURCE', 'CURRENT', 'TARGET', 'STATUS'],
      OSInstance: [
        'NODESTATUS',
        'SYSCONFIG-VERSION-CURRENT',
        'SYSCONFIG-VERSION-DESIRED',
        'UPGRADECONFIG-VERSION-CURRENT',
        'UPGRADECONFIG-VERSION-DESIRED',
      ],
    });
  });
});
