/** `npm run image`: builds the container image. */
import { isAbsolute, join } from 'node:path';
import { Command, Option } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { messageOf } from '../../src/domain/errors.ts';
import { ROOT } from '../lib/paths.mjs';
import { ARCHITECTURES, type Architecture, ownArchitecture } from './architecture.ts';
import { type BuiltImage, buildProductImage, DEFAULT_TAG } from './build-image.ts';
import { DEFAULT_MIRROR } from './layers.ts';

const HELP = `
Writes one file: an OCI image layout in a tar. Needs neither a container runtime nor root, only apt and dpkg of
Debian. The same checkout and the same Debian packages make the same digest.

Examples:
  npm run image
  npm run image -- --arch arm64
  npm run image -- --tag registry.example.com/ops/twinslot:0.1.0`;

const HOUR_MS = 3600_000;

interface Options {
  readonly arch: Architecture;
  readonly output?: string;
  readonly tag: string;
  readonly mirror: string;
}

const command = new Command('npm run image --')
  .description('Builds the container image of twinslot.')
  .addOption(
    new Option('--arch <processor>', 'processor of the nodes')
      .choices(ARCHITECTURES)
      .default(ownArchitecture()),
  )
  .option('--output <file>', `file to write (default: dist/twinslot-${packageJson.version}-<processor>.tar)`)
  .option('--tag <name:tag>', 'what the image is called', DEFAULT_TAG)
  .option('--mirror <address>', 'mirror of Debian', DEFAULT_MIRROR)
  .addHelpText('after', HELP)
  .action(async (options: Options) => {
    const { arch, tag, mirror } = options;
    const file = options.output ?? join('dist', `twinslot-${packageJson.version}-${arch}.tar`);
    // npm runs us in the checkout, wherever it was called.
    const output = isAbsolute(file) ? file : join(process.env.INIT_CWD ?? ROOT, file);
    const image = await buildProductImage({
      ...{ architecture: arch, tag, mirror, maxPackageAgeMs: HOUR_MS },
      output: options.output === undefined ? join(ROOT, file) : output,
    });
    process.stdout.write(describe(image));
  });

function describe({ path, reference, digest, bytes, unpackedBytes }: BuiltImage): string {
  const mib = (count: number) => `${(count / 2 ** 20).toFixed(0)} MiB`;
  // The name that it has by default is that of no registry.
  const target = reference.startsWith('docker.io/library/') ? 'REGISTRY/twinslot:TAG' : reference;
  return `
${path}
  ${reference}
  ${digest}, ${mib(bytes)}, ${mib(unpackedBytes)} unpacked

push it to a registry   skopeo copy oci-archive:${path} docker://${target}
or put it on each node  ctr -n k8s.io images import ${path}
or into Docker          docker load -i ${path}
then                    npx ctl create all --image ${target} | kubectl apply -f -
`;
}

try {
  await command.parseAsync();
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
