import { type Command, Option } from 'commander';
import type { CliContext } from './context.ts';
import type { FlashFlags } from './flash-run.ts';

const HELP = `
Puts an image onto the slot that does not run: what a person would do with dd, with all the checks of
the agent. It runs where the agent runs, most easily in its pod:

  kubectl exec -i -n mono-system node-agent-x2x7q -- ctl flash --slot B - < rootfs.ext4.zst

or with ncat: on the node, where the agent's container has the programs, and on the machine with the image

  ncat -l 1234 --recv-only | nsenter --target "$(pgrep -f 'ctl agent$')" --mount -- \\
    env HOST_ROOT=/host ctl flash --slot B -
  pv rootfs.ext4.zst | ncat 10.0.0.10 1234 --send-only

The image is a raw ext4 file system or a tar of a root file system, plain or packed with zstd, gzip or
xz; its name does not matter. It is expanded on its way: no room is needed for it on the node.

Refused are: the slot that runs; any slot while the running one is not the default, or while the agent
writes to it or tries it; a slot in use or on a foreign disk; an image that is none, too large or cut
off. Until the last byte has been read back nothing finds the slot, so an interrupted flash boots
nothing: flash again. Nothing is booted by this; the last lines tell how. More: docs/flash.md

Examples:
  ctl flash --slot B --dry-run                       what lies where, and whether it may be flashed
  ctl flash --slot B rootfs.ext4.zst
  ctl flash --slot B --sha256 99af82…aa59b14b - < rootfs.ext4.zst`;

/** Adds `ctl flash --slot B [FILE|-]`. */
export function registerFlash(program: Command, context: CliContext): void {
  program
    .command('flash')
    .summary('write an image to the slot that does not run, by hand')
    .description('Writes an image by hand to the slot that the node does not run from.')
    .argument('[file]', 'the image; - is standard input', '-')
    .addOption(new Option('--slot <name>', 'the slot to write').choices(['A', 'B']).makeOptionMandatory())
    .option('--sha256 <hex>', 'checksum that the input must have, packed as it is (sha256sum FILE prints it)')
    .option('--dry-run', 'check and tell, write nothing')
    .option('--config <file>', "the agent's configuration; else /etc/node-agent/agent.yaml, as the agent")
    .option('--host-root <dir>', "where the host's root is mounted; else the variable HOST_ROOT, else /")
    .addHelpText('after', HELP)
    .action(async (file: string, flags: FlashFlags) => {
      const { runFlash } = await import('./flash-run.ts');
      await runFlash(file, flags, context);
    });
}
