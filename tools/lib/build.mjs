// Builds the control plane programs from their Go modules, once for each version, into the cache.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { builtDir, builtVersions } from './binaries.mjs';
import { cacheDir, findProgram, isProgram, ROOT } from './paths.mjs';
import { runStep } from './steps.mjs';

/** @typedef {import('./binaries.mjs').ProgramName} ProgramName */

const OLDEST_GO_MINOR = 21;
const DISK_NEEDED_GB = 5;
const TEMP_PREFIX = 'build-';

/** Rough minutes on two cores. @type {{ [name in ProgramName]: string }} */
const DURATION = {
  etcd: 'half a minute',
  'kube-apiserver': '3 minutes',
  'kube-controller-manager': '1 minute',
  'kube-scheduler': '10 seconds',
  kubelet: 'half a minute',
  kubectl: 'half a minute',
};

/** What a person has to do before these programs can be built. */
export function buildProblems(/** @type {ProgramName[]} */ names) {
  if (names.length === 0) return [];
  return [...goProblems(names), ...diskProblems()];
}

function goProblems(/** @type {ProgramName[]} */ names) {
  const go = findGo();
  const version = go ? spawnSync(go, ['env', 'GOVERSION'], { encoding: 'utf8' }).stdout.trim() : 'none';
  if (Number(/^go1\.(\d+)/.exec(version)?.[1] ?? 0) >= OLDEST_GO_MINOR) return [];
  const found = go ? `${go} is ${version}` : 'found none';
  return [
    `${names.join(', ')} must be built from source with Go 1.${OLDEST_GO_MINOR} or later (${found}). Either get Go: ` +
      'https://go.dev/dl/ unpacked to /usr/local/go, or `apt-get install golang-go` where that is new enough; ' +
      'or name a folder that has the programs in KUBEBUILDER_ASSETS',
  ];
}

function diskProblems() {
  mkdirSync(cacheDir(), { recursive: true });
  const { bavail, bsize } = statfsSync(cacheDir());
  const freeGb = (bavail * bsize) / 1e9;
  if (freeGb >= DISK_NEEDED_GB) return [];
  return [
    `building takes ${DISK_NEEDED_GB} GB for a while, ${cacheDir()} has ${freeGb.toFixed(1)} GB: make room, or set ` +
      'XDG_CACHE_HOME to a folder with more',
  ];
}

/** Builds programs into `builtDir()`. A program appears there whole or not at all. */
export async function buildPrograms(/** @type {ProgramName[]} */ names) {
  if (names.length === 0) return;
  if (process.env.KUBEBUILDER_ASSETS) {
    console.error(
      `KUBEBUILDER_ASSETS has not all of the control plane in versions that fit: building the rest`,
    );
  }
  removeLeftovers();
  mkdirSync(builtDir(), { recursive: true });
  const temp = mkdtempSync(join(cacheDir(), TEMP_PREFIX));
  try {
    for (const name of names) await build(name, temp);
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
}

/** @param {ProgramName} name @param {string} temp */
async function build(name, temp) {
  if (isProgram(join(builtDir(), name))) return;
  const { kubernetes, etcd } = builtVersions();
  const [module, target, version] =
    name === 'etcd' ? ['etcd', '.', etcd] : ['kubernetes', `k8s.io/kubernetes/cmd/${name}`, kubernetes];
  const ldflags = `-s -w -X k8s.io/component-base/version.gitVersion=${version}`;
  const output = join(temp, name);
  await runStep(
    `building ${name} ${version} from source, once: about ${DURATION[name]}`,
    [findGo() ?? 'go', 'build', '-trimpath', '-buildvcs=false', '-ldflags', ldflags, '-o', output, target],
    {
      cwd: join(ROOT, 'tools/control-plane', module),
      env: goEnvironment(temp),
      wayOut: 'look at the network and `go env GOPROXY`, then try again',
    },
  );
  renameSync(output, join(builtDir(), name));
}

/** A build cache of our own, removed afterwards: it grows to 3 GB. A Go that is too old fetches the one it needs. */
const goEnvironment = (/** @type {string} */ temp) => ({
  ...{ CGO_ENABLED: '0', GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'auto', GOWORK: 'off', GO111MODULE: 'on' },
  ...{ GOOS: '', GOARCH: '', GOCACHE: join(temp, 'go-build'), GOTMPDIR: temp },
});

const findGo = () => findProgram('go') ?? ['/usr/local/go/bin/go', '/snap/bin/go'].find(isProgram);

/** Another set-up cannot be building now: we hold the lock. */
function removeLeftovers() {
  for (const name of readdirSync(cacheDir())) {
    if (name.startsWith(TEMP_PREFIX)) rmSync(join(cacheDir(), name), { recursive: true, force: true });
  }
}
