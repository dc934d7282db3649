import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { FAULT_ROWS } from './rows.ts';

describe('the table of faults', () => {
  it('has exactly one test for each row', () => {
    const sources = readdirSync(import.meta.dirname)
      .filter(name => name.endsWith('.test.ts'))
      .map(name => readFileSync(`${import.meta.dirname}/${name}`, 'utf8'));
    const tested = sources.flatMap(source =>
      [...source.matchAll(/^\s*fault\(\s*'([^']+)'/gm)].map(match => match[1]),
    );
    expect(tested.toSorted()).to.deep.equal(FAULT_ROWS.toSorted());
  });
});
