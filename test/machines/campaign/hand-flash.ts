import { deepStrictEqual, match, rejects, strictEqual } from 'node:assert/strict';
import { join } from 'node:path';
import { openShell, typedUnder } from '../../docs/page-commands.ts';
import { runProgram } from '../../env/node/run-program.ts';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import { rawSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { World } from '../world.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { forgetEvents, otherOf, takeByHand, untilKept } from './hand-steps.ts';
import { lookBefore } from './steps.ts';

const PAGE = 'docs/flash.md';
const PORT = 1234;
const FLASH_MS = 600_000;

/** `ctl flash` in the agent's pod, by what the page has a person type. */
export const HAND_FLASH: MachineCase = {
  id: 'hand/flash',
  title:
    'a person writes images by `ctl flash`, through `kubectl exec` and through `ncat`, and boots the last one',
  expected: 'refused for the running slot, written to the other one; what was booted is kept, with an Event',
  run: async context => {
    const { world, note, step } = context;
    const node = await takeByHand(context);
    const { machine } = node;
    const before = await lookBefore(node);
    const slot = otherOf(before.booted);
    const shell = openShell(world.cluster);
    const image = join(shell.desk, 'rootfs.ext4.zst');
    const first = await rawSystem({ version: nextVersion(before.view.osImage) });
    const version = nextVersion(osImageOf(nextVersion(before.view.osImage)));
    const second = await rawSystem({ version });
    await forgetEvents(world, node);
    const here = (line: string): string =>
      line.replaceAll('node-1', node.name).replaceAll('--slot B', `--slot ${slot}`);

    step('from the desk');
    await runProgram('ln', '-sf', first.zstPath, image);
    const [find = '', dryRun = '', flash = ''] = typedUnder(PAGE, 'From your desk', '$ ').map(here);
    const wrong = dryRun.replace(`--slot ${slot}`, `--slot ${before.booted}`);
    await rejects(shell.run(`${find}\n${wrong}`), /the one that the system runs from/);
    const looked = await shell.run(`${find}\n${dryRun}`);
    match(looked.stdout, /nothing was written/);
    const flashed = await shell.run(`${find}\n${flash}`);
    match(flashed.stdout, new RegExp(first.zstChecksum));
    note(`kubectl exec: ${lastLine(flashed.stderr)}`);

    step('with ncat');
    await runProgram('ln', '-sf', second.zstPath, image);
    const [send = ''] = typedUnder(PAGE, 'With `ncat`', '$ ');
    const told = await receive(context, node, {
      lines: typedUnder(PAGE, 'With `ncat`', '# ').map(here),
      send: address => shell.run(send.replace('10.0.0.10', address)),
    });
    match(told, new RegExp(second.zstChecksum));
    match(told, /\d %|\d%/, 'how far it is');

    step('booting it');
    const [set = '', reboot = ''] = typedUnder(PAGE, 'Boot it', '# ');
    deepStrictEqual(reboot, 'reboot');
    const armed = await machine.run(set.replace('next_entry=B', `next_entry=${slot}`));
    strictEqual(armed.code, 0, armed.output);
    const count = machine.boots.length + 1;
    await machine.run('systemctl --no-block reboot');
    await machine.untilBoot(count);
    const view = await node.untilReady({ notBootId: before.view.bootId });
    strictEqual(view.osImage, osImageOf(version));
    note(await untilKept(world, node, slot));
    const [events = ''] = typedUnder(PAGE, 'Boot it', '$ ').map(here);
    match((await shell.run(events)).stdout, /ManualBootKept/);
  },
};

interface Transfer {
  /** What is typed on the node. */
  readonly lines: readonly string[];
  /** Sends to the node at that address. */
  send(address: string): Promise<unknown>;
}

/** Types on the node what receives an image, and sends it. @returns what was printed on the node */
async function receive({ world }: CaseContext, node: MachineNode, transfer: Transfer): Promise<string> {
  const { machine } = node;
  const address = await addressOf(world, node);
  await machine.control('human-monitor-command', {
    'command-line': `hostfwd_add n0 tcp:${address}:${PORT}-:${PORT}`,
  });
  // A file of its own takes the lines as they stand, with a terminal's patience.
  await machine.run(`cat >/tmp/receive.sh <<'END'\n${transfer.lines.join('\n')}\nEND`);
  await machine.run(
    '( bash -e -o pipefail /tmp/receive.sh >/tmp/receive.log 2>&1; echo "ended with $?" >>/tmp/receive.log ) & disown',
  );
  const isListening = async (): Promise<boolean> =>
    (await machine.run(`ss -Hltn sport = :${PORT}`)).output.includes(`:${PORT}`);
  await eventually(isListening, { timeoutMs: 30_000, what: 'ncat listens on the node' });
  await transfer.send(address);
  const isOver = async (): Promise<string | undefined> => {
    const { output } = await machine.run('tail -c 4000 /tmp/receive.log');
    return /ended with \d+$/.test(output) ? output : undefined;
  };
  const told = await eventually(isOver, { timeoutMs: FLASH_MS, everyMs: 1000, what: 'the image is written' });
  match(told, /ended with 0$/);
  return told;
}

async function addressOf({ api }: World, { name }: MachineNode): Promise<string> {
  const { status } = await api.call<NodeAddresses>('GET', `/api/v1/nodes/${name}`);
  const found = status.addresses.find(({ type }) => type === 'InternalIP');
  if (!found) throw new Error(`${name} has no address`);
  return found.address;
}

interface NodeAddresses {
  readonly status: { readonly addresses: readonly { readonly type: string; readonly address: string }[] };
}

const lastLine = (text: string): string =>
  text
    .trimEnd()
    .split(/[\n\r]/)
    .at(-1) ?? '';
