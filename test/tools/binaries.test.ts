import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { builtDir, findControlPlane, missingPrograms } from '../../tools/lib/binaries.mjs';

interface Case {
  readonly name: string;
  /** Versions of the programs in KUBEBUILDER_ASSETS; those that are not named are not there. */
  readonly assets: Readonly<Record<string, string>>;
  /** Programs that have to come from the assets; all others from our own build. */
  readonly taken: readonly string[];
}

const CASES: readonly Case[] = [
  { name: 'builds all where nothing is', assets: {}, taken: [] },
  {
    name: 'takes all of one version',
    assets: {
      etcd: '3.5.21',
      'kube-apiserver': 'v1.33.0',
      'kube-controller-manager': 'v1.33.0',
      'kube-scheduler': 'v1.33.0',
      kubelet: 'v1.33.0',
      kubectl: 'v1.34.1',
    },
    taken: ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kubectl'],
  },
  {
    name: 'builds what is missing beside an API server of about the same version',
    assets: { etcd: '3.6.1', 'kube-apiserver': 'v1.35.0', kubectl: 'v1.35.0' },
    taken: ['etcd', 'kube-apiserver', 'kubectl'],
  },
  {
    name: 'leaves an API server that what we build is too new for',
    assets: { etcd: '3.6.1', 'kube-apiserver': 'v1.33.0', kubectl: 'v1.33.0' },
    taken: ['etcd'],
  },
  { name: 'leaves a kubectl two minors behind', assets: { kubectl: 'v1.34.9' }, taken: [] },
  {
    name: 'leaves what is too old',
    assets: {
      etcd: '3.4.30',
      'kube-apiserver': 'v1.30.9',
      'kube-controller-manager': 'v1.30.9',
      'kube-scheduler': 'v1.30.9',
      kubelet: 'v1.30.9',
      kubectl: 'v1.30.9',
    },
    taken: [],
  },
  { name: 'leaves a program that does not tell its version', assets: { etcd: 'unknown' }, taken: [] },
];

describe('the choice of control plane programs', () => {
  const { env } = process;
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'binaries-'));
    mkdirSync(join(dir, 'assets'));
    process.env = { ...env, XDG_CACHE_HOME: join(dir, 'cache'), KUBEBUILDER_ASSETS: join(dir, 'assets') };
    process.env.PATH = '/nowhere';
  });
  afterEach(() => {
    process.env = env;
    rmSync(dir, { recursive: true });
  });

  for (const { name, assets, taken } of CASES) {
    it(name, () => {
      for (const [program, version] of Object.entries(assets)) fakeProgram(dir, program, version);
      const chosen = Object.entries(findControlPlane());
      expect(
        chosen.filter(([, { path }]) => path.startsWith(join(dir, 'assets'))).map(([key]) => key),
      ).to.deep.equal(taken);
      const built = chosen.filter(([key]) => !taken.includes(key));
      expect(built.map(([key, { path }]) => path === join(builtDir(), key))).to.not.include(false);
      expect(missingPrograms()).to.deep.equal(built.map(([key]) => key));
    });
  }

  it('asks a program for its version once, and again when it changed', () => {
    const programs = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl'];
    for (const program of programs) fakeProgram(dir, program, 'v1.36.0');
    expect(findControlPlane()['kube-apiserver'].version).to.equal('1.36.0');
    expect(findControlPlane()['kube-apiserver'].version).to.equal('1.36.0');
    fakeProgram(dir, 'kube-apiserver', 'v1.36.10');
    expect(findControlPlane()['kube-apiserver'].version).to.equal('1.36.10');
  });
});

function fakeProgram(dir: string, program: string, version: string): void {
  const path = join(dir, 'assets', program);
  writeFileSync(path, `#!/bin/sh\necho ${program} Version: ${version}\n`);
  chmodSync(path, 0o755);
}
