import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { findProgram, ROOT } from '../../tools/lib/paths.mjs';
import { SYSTEM_PROGRAMS } from '../../tools/lib/system-programs.mjs';

// Stands for Go: writes a "program" where it is told to, and a line for each call.
const FAKE_GO = `#!/bin/sh
[ "$1" = env ] && echo go1.21.0 && exit
[ -n "$GO_FAILS" ] && echo "no required module" >&2 && exit 1
while [ "$1" != -o ]; do shift; done
echo "$(basename "$2") $GOTOOLCHAIN $GOCACHE" >> "$GO_LOG"
mkdir -p "$GOCACHE"
sleep 0.1
printf '#!/bin/sh\\n' > "$2"
chmod +x "$2"
`;

const MACHINE_PROGRAMS = ['sh', 'basename', 'mkdir', 'sleep', 'chmod', ...SYSTEM_PROGRAMS];

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

describe('the set-up', () => {
  let dir = '';
  const setUp = (env: NodeJS.ProcessEnv = {}): Promise<Outcome> =>
    run({
      ...{ ...process.env, KUBEBUILDER_ASSETS: '', PATH: join(dir, 'bin') },
      ...{ XDG_CACHE_HOME: join(dir, 'cache'), GO_LOG: join(dir, 'go.log') },
      ...env,
    });
  const leftovers = (): string[] =>
    readdirSync(join(dir, 'cache/twinslot')).filter(name => name.startsWith('build-'));

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'setup-'));
    mkdirSync(join(dir, 'bin'));
    writeFileSync(join(dir, 'bin/go'), FAKE_GO);
    chmodSync(join(dir, 'bin/go'), 0o755);
    // No folder of the machine, as there may be Kubernetes programs in it.
    for (const name of MACHINE_PROGRAMS) symlinkSync(findProgram(name) ?? name, join(dir, 'bin', name));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('is silent when all is there', async () => {
    expect(await run(process.env)).to.deep.equal({ code: 0, output: '' });
  });

  it('needs neither Go nor other programs where packages are enough, as for the image', async () => {
    const env = { ...process.env, KUBEBUILDER_ASSETS: '', PATH: dir, XDG_CACHE_HOME: join(dir, 'cache') };
    expect(await run(env, ['--packages-only'])).to.deep.equal({ code: 0, output: '' });
  });

  it('builds every program once, though two run at the same time', async () => {
    const [first, second] = await Promise.all([setUp(), setUp()]);
    expect([first.code, second.code]).to.deep.equal([0, 0]);
    expect(first.output + second.output).to.include('another set-up is at work');
    const built = readFileSync(join(dir, 'go.log'), 'utf8').trim().split('\n');
    expect(built.length).to.be.greaterThan(0);
    expect(new Set(built.map(line => line.split(' ')[0])).size).to.equal(built.length);
    expect(await setUp()).to.deep.equal({ code: 0, output: '' });
  });

  it('lets an old Go fetch a newer one, and keeps neither its build cache nor half a program', async () => {
    await setUp();
    const [, toolchain, buildCache] =
      readFileSync(join(dir, 'go.log'), 'utf8').split('\n')[0]?.split(' ') ?? [];
    expect(toolchain).to.equal('auto');
    expect(buildCache).to.match(new RegExp(`^${dir}/cache/twinslot/build-`));
    expect(leftovers()).to.deep.equal([]);
  });

  it('says why a build failed, and leaves nothing', async () => {
    mkdirSync(join(dir, 'cache/twinslot/build-of-one-that-was-killed'), { recursive: true });
    const { code, output } = await setUp({ GO_FAILS: '1' });
    expect(code).to.equal(1);
    expect(output).to.match(/no required module[\s\S]*go env GOPROXY/);
    expect(leftovers()).to.deep.equal([]);
    expect(existsSync(join(dir, 'go.log'))).to.equal(false);
  });

  it('names the way to get a Go that is new enough', async () => {
    writeFileSync(join(dir, 'bin/go'), '#!/bin/sh\necho go1.19.8\n');
    const { code, output } = await setUp();
    expect(code).to.equal(1);
    expect(output).to.match(/Go 1\.21 or later \(.*\/go is go1\.19\.8\).*go\.dev\/dl/);
  });
});

async function run(env: NodeJS.ProcessEnv, flags: readonly string[] = []): Promise<Outcome> {
  const child = spawn(process.execPath, ['tools/setup.mjs', ...flags], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>(resolve => child.on('close', resolve));
  const [code, out, err] = await Promise.all([exited, text(child.stdout), text(child.stderr)]);
  return { code, output: out + err };
}
