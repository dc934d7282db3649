// Finds the control plane programs: in KUBEBUILDER_ASSETS, on PATH, or in our cache, where the set-up builds them.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir, isProgram, programFolders, ROOT, readJson } from './paths.mjs';

/**
 * @typedef {'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'kubelet' | 'kubectl'} ProgramName
 * @typedef {{ path: string, version: string }} Candidate
 * @typedef {{ [name in ProgramName]: Candidate }} ControlPlane
 */

/** @type {readonly ProgramName[]} */
export const PROGRAMS = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kubectl',
];

const OLDEST_KUBERNETES = [1, 31];
const OLDEST_ETCD = [3, 5];

/** Versions that are built from source: those that the go.mod files require. */
export const builtVersions = () => ({
  kubernetes: requiredVersion('kubernetes', 'k8s.io/kubernetes'),
  etcd: requiredVersion('etcd', 'go.etcd.io/etcd/server/v3'),
});

/** Folder of the programs that were built from source. */
export function builtDir() {
  const { kubernetes, etcd } = builtVersions();
  return join(cacheDir(), 'control-plane', `${kubernetes}-etcd-${etcd}`);
}

/**
 * Chooses one program of each name, all within one minor version of the API server. A path below `builtDir()` may
 * not exist yet: `missingPrograms` tells.
 * @returns {ControlPlane}
 */
export function findControlPlane() {
  const etcd = candidates('etcd').find(found => isAtLeast(found.version, OLDEST_ETCD));
  for (const server of candidates('kube-apiserver')) {
    if (!isAtLeast(server.version, OLDEST_KUBERNETES)) continue;
    const beside = (/** @type {ProgramName} */ name) =>
      candidates(name).find(found => isWithinOneMinor(found.version, server.version));
    const [manager, scheduler, kubelet, kubectl] = [
      beside('kube-controller-manager'),
      beside('kube-scheduler'),
      beside('kubelet'),
      beside('kubectl'),
    ];
    if (!etcd || !manager || !scheduler || !kubelet || !kubectl) continue;
    return {
      etcd,
      'kube-apiserver': server,
      'kube-controller-manager': manager,
      'kube-scheduler': scheduler,
      kubelet,
      kubectl,
    };
  }
  throw new Error('no usable control plane: tools/control-plane/*/go.mod ask for versions that are too old');
}

/** Names of the chosen programs that have to be built first. */
export const missingPrograms = () => {
  const chosen = findControlPlane();
  return PROGRAMS.filter(name => !isProgram(chosen[name].path));
};

/**
 * Programs of one name in the order of preference; the one that we build is last.
 * @param {ProgramName} name
 * @returns {Candidate[]}
 */
function candidates(name) {
  const { kubernetes, etcd } = builtVersions();
  const assets = process.env.KUBEBUILDER_ASSETS;
  const found = [...(assets ? [assets] : []), ...programFolders()]
    .map(folder => join(folder, name))
    .filter(isProgram)
    .map(path => ({ path, version: versionOf(name, path) }));
  return [...found, { path: join(builtDir(), name), version: name === 'etcd' ? etcd : kubernetes }];
}

/** Asks a program for its version and remembers the answer, as some programs called kubectl are slow wrappers.
 * @param {ProgramName} name
 * @param {string} path
 * @returns {string} empty when it does not say
 */
function versionOf(name, path) {
  const memory = join(cacheDir(), 'versions.json');
  const known = readJson(memory) ?? {};
  const { size, mtimeMs } = statSync(path);
  const key = `${path} ${size} ${mtimeMs}`;
  if (typeof known[key] === 'string') return known[key];
  const args = name === 'kubectl' ? ['version', '--client'] : ['--version'];
  const { stdout } = spawnSync(path, args, { encoding: 'utf8', timeout: 10_000 });
  const version = /\bv?(\d+\.\d+\.\d+)/.exec(stdout ?? '')?.[1] ?? '';
  mkdirSync(cacheDir(), { recursive: true });
  writeFileSync(`${memory}.${process.pid}`, JSON.stringify({ ...known, [key]: version }));
  renameSync(`${memory}.${process.pid}`, memory);
  return version;
}

/**
 * @param {string} module folder below tools/control-plane
 * @param {string} path module path
 */
function requiredVersion(module, path) {
  const goMod = readFileSync(join(ROOT, 'tools/control-plane', module, 'go.mod'), 'utf8');
  const version = goMod.split('\n').find(line => line.startsWith(`require ${path} `));
  if (version === undefined) throw new Error(`tools/control-plane/${module}/go.mod does not require ${path}`);
  return version.split(' ')[2] ?? '';
}

const numbers = (/** @type {string} */ version) => version.replace(/^v/, '').split('.').map(Number);

const isAtLeast = (/** @type {string} */ version, /** @type {number[]} */ [major = 0, minor = 0]) => {
  const [a = 0, b = 0] = numbers(version);
  return a > major || (a === major && b >= minor);
};

const isWithinOneMinor = (/** @type {string} */ left, /** @type {string} */ right) => {
  const [[a, b = NaN], [c, d = NaN]] = [numbers(left), numbers(right)];
  return a === c && Math.abs(b - d) <= 1;
};
