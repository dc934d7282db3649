import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { OSSpec } from '../../src/api/openeuler/index.ts';
import { targetOfOS } from '../../src/domain/os-target.ts';
import { ROOT } from '../../tools/lib/paths.mjs';

const FOLDER = join(ROOT, 'config/samples');
const NOT_SUPPORTED = ['sysconfigs', 'upgradeconfigs'];

/** Field → whether it stands there, or behind `#`. */
const namesField = (text: string, field: string): boolean =>
  new RegExp(`^ *(# )?${field}\\b`, 'm').test(text);

describe('the samples of OS objects that are shipped', () => {
  const samples = globSync('os-*.yaml', { cwd: FOLDER }).map(name => ({
    name,
    text: readFileSync(join(FOLDER, name), 'utf8'),
  }));

  for (const { name, text } of samples)
    it(`${name} asks for something that can be done`, () => {
      const { spec } = parse(text);
      expect(() => targetOfOS(OSSpec.strict().parse(spec))).to.not.throw();
    });

  it('teach every field that is supported', () => {
    const fields = Object.keys(OSSpec.shape).filter(field => !NOT_SUPPORTED.includes(field));
    const untold = fields.filter(field => !samples.some(({ text }) => namesField(text, field)));
    expect(untold).to.deep.equal([]);
  });

  it('belong to what kubectl apply -k takes', () => {
    const { resources } = parse(readFileSync(join(FOLDER, 'kustomization.yaml'), 'utf8'));
    expect(resources).to.include.members(samples.map(({ name }) => name));
    expect(samples).to.have.length(4);
  });
});
