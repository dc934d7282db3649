import { expect } from 'chai';
import {
  architectureOf,
  checkPlatform,
  choose,
  platformsOf,
} from '../../../../src/agent/transport/registry/platform.ts';
import { reasonOf } from '../../../../src/domain/errors.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const entry = (name: string, mediaType = 'm') => {
  const [os = '', architecture = '', variant = ''] = name.split('/');
  return {
    mediaType,
    digest: name,
    size: 1,
    ...(name !== '' && { platform: { os, architecture, variant } }),
  };
};
const chosen = (names: readonly string[], architecture: string) =>
  choose(
    names.map(name => entry(name)),
    architecture,
  ).map(({ digest }) => digest);

describe('the platform of an image', () => {
  for (const { what, names, architecture, want } of [
    {
      what: 'the own one',
      names: ['linux/arm64', 'linux/amd64'],
      architecture: 'amd64',
      want: ['linux/amd64'],
    },
    { what: 'v8 of arm64', names: ['linux/arm64/v8'], architecture: 'arm64', want: ['linux/arm64/v8'] },
    {
      what: 'plain before v8',
      names: ['linux/arm64/v8', 'linux/arm64'],
      architecture: 'arm64',
      want: ['linux/arm64', 'linux/arm64/v8'],
    },
    {
      what: 'nothing that a processor may not run',
      names: ['linux/amd64/v3', 'linux/arm64/v9'],
      architecture: 'amd64',
      want: [],
    },
    {
      what: 'nothing of another system',
      names: ['windows/amd64', 'unknown/unknown'],
      architecture: 'amd64',
      want: [],
    },
    { what: 'the only one that says nothing', names: [''], architecture: 'amd64', want: [''] },
    { what: 'none of several that say nothing', names: ['', ''], architecture: 'amd64', want: [] },
  ])
    it(`takes ${what}`, () => expect(chosen(names, architecture)).to.deep.equal(want));

  it('looks into indexes that say nothing, or this platform, and no others', () => {
    const entries = [entry('', INDEX), entry('linux/arm64', INDEX), entry('linux/amd64', INDEX)];
    expect(choose(entries, 'amd64').map(({ digest }) => digest)).to.deep.equal(['linux/amd64', '']);
  });

  it('is called as images call it', () => {
    expect(['x64', 'arm64', 'riscv64'].map(architectureOf)).to.deep.equal(['amd64', 'arm64', 'riscv64']);
    const names = ['linux/arm64/v8', 'unknown/unknown', ''].map(name => entry(name));
    expect(platformsOf(names)).to.deep.equal(['linux/arm64/v8', 'one without a platform']);
  });

  for (const [config, passes] of [
    ['{"os":"linux","architecture":"amd64"}', true],
    ['{}', true],
    ['not json', true],
    ['null', true],
    ['{"architecture":7}', true],
    ['{"os":"linux","architecture":"arm64"}', false],
    ['{"os":"windows","architecture":"amd64"}', false],
  ] as const)
    it(`${passes ? 'passes' : 'refuses'} ${config}`, () => {
      const check = () => checkPlatform(Buffer.from(config), 'amd64', 'x');
      if (passes) return void check();
      expect(check)
        .to.throw()
        .and.to.satisfy((error: unknown) => reasonOf(error) === 'PlatformMissing');
    });
});
