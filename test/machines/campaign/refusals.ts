import { match, ok, strictEqual } from 'node:assert/strict';
import type { OSUpgrade, OSUpgradeProgressStatus } from '../../../src/api/monok8s/index.ts';
import { eventually } from '../../env/wait.ts';
import type { MachineNode } from '../machine-node.ts';
import type { AppliedRequest } from '../requests.ts';
import type { World } from '../world.ts';
import { type Before, lookBefore } from './steps.ts';

const FOLDER = { uefi: '/boot/efi/EFI/openEuler', bios: '/boot/grub2' };

/** Folder of GRUB's files in the running system. */
export const grubDir = ({ disk }: MachineNode): string => FOLDER[disk.firmware];

/** Runs a command as root in the machine. @throws Error with its output when it fails */
export async function inMachine({ machine, name }: MachineNode, command: string): Promise<string> {
  const { code, output } = await machine.run(command);
  if (code !== 0) throw new Error(`${name}: ${command} ended with ${code}: ${output}`);
  return output;
}

/** A node that is well, and what must not change in it when something is refused. */
export interface Untouched extends Before {
  readonly boots: number;
  readonly osImage: string;
}

/** Looks at a node before something is asked of it that is going to be refused. */
export async function lookUntouched(node: MachineNode): Promise<Untouched> {
  const before = await lookBefore(node);
  return { ...before, boots: node.machine.boots.length, osImage: before.view.osImage };
}

/** The bytes of GRUB's environment block as text; the words of `ls` if there is none. */
export const environmentBytes = async (node: MachineNode): Promise<string> =>
  (await node.machine.run(`base64 -w0 ${grubDir(node)}/grubenv`)).output;

/** What is expected of a refusal. */
export interface Refusal {
  readonly before: Untouched;
  /** Bytes of the environment block as they were before; it must not have changed. */
  readonly environment: string;
  readonly reason: string;
  /** What a person needs to find in the message to go on. */
  readonly tells: RegExp;
}

/**
 * Waits until a request has failed on the node before its boot entry was touched: the old system runs on without a
 * reboot, Ready and not cordoned, and the reason stands wherever one looks.
 */
export async function untilRefused(
  world: World,
  node: MachineNode,
  request: AppliedRequest,
  { before, environment, reason, tells }: Refusal,
): Promise<OSUpgradeProgressStatus> {
  const status = await request.until(['Failed']);
  strictEqual(status.failureReason, reason, status.message);
  match(status.message ?? '', tells);
  await untilTold(world, node, request, reason);
  await assertRunsOn(node, before, environment);
  return status;
}

/** Waits until the agent has said that it cannot use the node. It sleeps while nothing is asked of it, so it is woken. */
export async function untilAgentSees(
  { cluster }: World,
  { name }: MachineNode,
  reason: string,
): Promise<void> {
  let count = 0;
  await eventually(
    async () => {
      count += 1;
      await cluster.kubectl(['label', 'node', name, '--overwrite', `test/look-again=${count}`]);
      const seen = await cluster.kubectl(['get', 'osinstance', name, '-n', 'default', '-o', 'yaml']);
      return seen.stdout.includes(reason);
    },
    { timeoutMs: 60_000, everyMs: 1000, what: `the agent of ${name} says ${reason}` },
  );
}

/**
 * Waits until a request skips the node for a reason, which stands wherever one looks; it has no plan, and runs on. When
 * the reason has gone, it is not skipped any more by itself.
 */
export async function untilSkipped(
  world: World,
  node: MachineNode,
  request: AppliedRequest,
  { before, environment, reason, tells }: Refusal,
): Promise<string> {
  const { message } = await eventually(
    async () => {
      const { status } = await world.api.call<OSUpgrade>(
        'GET',
        `/apis/monok8s.io/v1alpha1/osupgrades/${request.name}`,
      );
      const isDegraded = status?.conditions?.some(
        ({ type, status: value, message: text }) =>
          type === 'Degraded' && value === 'True' && text.includes(reason),
      );
      return isDegraded && status?.skippedNodes?.find(skipped => skipped.name === node.name);
    },
    { timeoutMs: 60_000, everyMs: 300, what: `${node.name} is skipped` },
  );
  match(message, tells);
  strictEqual(await request.progress(), undefined, 'it has no plan');
  const instance = ['get', 'osinstance', node.name, '-n', 'default', '-o', 'yaml'];
  ok((await world.cluster.kubectl(instance)).stdout.includes(reason), 'its OSInstance says why');
  await assertRunsOn(node, before, environment);
  return message;
}

/** The old system runs on without a reboot, Ready and not cordoned, and its boot entry is as it was. */
async function assertRunsOn(node: MachineNode, before: Untouched, environment: string): Promise<void> {
  await eventually(
    async () => {
      const view = await node.view();
      return view.isReady && !view.isCordoned;
    },
    { timeoutMs: 60_000, what: `${node.name} is Ready and not cordoned` },
  );
  strictEqual((await node.view()).bootId, before.view.bootId, 'it has not rebooted');
  strictEqual(node.machine.boots.length, before.boots, 'starts of the machine');
  strictEqual(await environmentBytes(node), environment, 'the boot environment');
}

/** The places where a person looks, as the page about troubles names them. */
async function untilTold(
  { cluster }: World,
  node: MachineNode,
  request: AppliedRequest,
  reason: string,
): Promise<void> {
  const object = (await request.progress())?.metadata.name ?? '';
  const kubectl = async (...args: string[]): Promise<string> => (await cluster.kubectl(args)).stdout;
  const places: Record<string, () => Promise<string>> = {
    'kubectl get osupgradeprogress': () => kubectl('get', 'osupgradeprogress', object, '-o', 'wide'),
    'kubectl describe osupgrade': () => kubectl('describe', 'osupgrade', request.name),
    'the Events of the object': () => kubectl('events', '--for', `osupgradeprogress/${object}`),
    "the node's own log": async () => (await node.machine.run('journalctl -t node-agent -n 200')).output,
  };
  for (const [place, look] of Object.entries(places)) {
    let seen = '';
    await eventually(
      async () => {
        seen = await look();
        return seen.includes(place.endsWith('osupgradeprogress') ? 'Failed' : reason);
      },
      { timeoutMs: 30_000, everyMs: 500, what: `${reason} stands in ${place}` },
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\nthere stands:\n${seen.slice(-2000)}`);
    });
  }
}

/** Types the command that the message of a failed attempt ends with, and waits until another one has begun. */
export async function retryAsTold(
  { cluster }: World,
  request: AppliedRequest,
  { message, attempt = 0 }: OSUpgradeProgressStatus,
): Promise<void> {
  const [, name = '', patch = ''] =
    /kubectl patch osupgradeprogress (\S+) --type merge -p '([^']+)'$/.exec(message ?? '') ?? [];
  ok(patch, `the message ends with a command: ${message}`);
  await cluster.kubectl(['patch', 'osupgradeprogress', name, '--type', 'merge', '-p', patch]);
  await eventually(async () => ((await request.progress())?.status?.attempt ?? 0) > attempt, {
    ...{ timeoutMs: 60_000, everyMs: 200 },
    what: `${name} is tried again`,
  });
}

/** Waits until an attempt has begun to install, and takes it back: nothing of what was refused is in its way any more. */
export async function untilBegunAndTakenBack(
  node: MachineNode,
  request: AppliedRequest,
  before: Untouched,
): Promise<void> {
  await request.until(['Downloading', 'Installing', 'Staged']);
  await request.remove();
  await eventually(
    async () => {
      const phase = (await request.progress())?.status?.phase;
      return phase === undefined || phase === 'Failed';
    },
    { timeoutMs: 60_000, what: `the plan of ${request.name} is gone` },
  );
  strictEqual(node.machine.boots.length, before.boots, 'starts of the machine');
}
