import type { OSUpgradeProgressStatus } from '../../../src/api/monok8s/index.ts';
import type { Firmware } from '../disk/layout.ts';
import type { MachineNode } from '../machine-node.ts';
import { type Payload, pushSystem, trustRegistry } from '../registry-image.ts';
import { type AppliedRequest, applyOS, applyOSUpgrade } from '../requests.ts';
import { rawSystem, tarSystem } from '../tree/system.ts';
import { nextVersion, osImageOf } from '../versions.ts';
import type { World } from '../world.ts';
import type { CaseContext, MachineCase } from './case.ts';
import { serveMutualTls } from './mutual-tls.ts';
import { lookBefore, untilUpgraded } from './steps.ts';
import { watchDefault } from './watch-default.ts';

/** Where a request is sent: the node that it is for, and the version that it asks for. */
interface Wanted {
  readonly node: MachineNode;
  readonly version: string;
}

type Ask = (world: World, wanted: Wanted) => Promise<AppliedRequest>;

const tarByOSUpgrade: Ask = async (world, { node, version }) =>
  applyOSUpgrade(world, {
    ...{ nodeName: node.name, version },
    file: world.serve(await tarSystem({ version })),
  });

const tarByOS: Ask = async (world, { node, version }) =>
  applyOS(world, { nodeName: node.name, version, file: world.serve(await tarSystem({ version })) });

const registryByOSUpgrade =
  (payload: Payload): Ask =>
  async (world, { node, version }) => {
    await trustRegistry(world, node);
    const { reference, digest } = await pushSystem(world, await tarSystem({ version }), { version, payload });
    const catalog = { images: [{ version, url: `oci://${reference}`, checksum: digest }] };
    const spec = { catalog: { inline: JSON.stringify(catalog) } };
    return applyOSUpgrade(world, { nodeName: node.name, version, spec });
  };

const registryByOS =
  (payload: Payload): Ask =>
  async (world, { node, version }) => {
    await trustRegistry(world, node);
    const { reference } = await pushSystem(world, await tarSystem({ version }), { version, payload });
    const spec = { imagetype: 'containerd', containerimage: reference };
    return applyOS(world, { nodeName: node.name, version, spec });
  };

const rawByMutualTls: Ask = async (world, { node, version }) => {
  const { url, checksum, certificates } = await serveMutualTls(node, await rawSystem({ version }));
  const spec = { imageurl: url, checksum, flagSafe: false, mtls: true, ...certificates };
  return applyOS(world, { nodeName: node.name, version, spec });
};

/** What a node is upgraded by, and how; the slots take turns. Each two of API, kind of image and firmware meet. */
const LEGS: readonly (readonly [id: string, title: string, firmware: Firmware, ask: Ask])[] = [
  ['os-oci-uefi', 'OS, container image, UEFI', 'uefi', registryByOS('root')],
  ['osupgrade-tar-uefi', 'OSUpgrade, tar, UEFI', 'uefi', tarByOSUpgrade],
  ['os-raw-mtls-bios', 'OS, raw image over mutual TLS, BIOS', 'bios', rawByMutualTls],
  [
    'osupgrade-oci-bios',
    'OSUpgrade, container image with /os.tar, BIOS',
    'bios',
    registryByOSUpgrade('os.tar'),
  ],
  ['os-tar-bios', 'OS, tar, BIOS', 'bios', tarByOS],
];

/** Upgrades by every kind of image, of either API, on either firmware. */
export const UPGRADE_KINDS: readonly MachineCase[] = [
  ...LEGS.map(
    ([id, title, firmware, ask]): MachineCase => ({
      id: `upgrade/${id}`,
      title,
      expected: 'Completed; saved_entry is the new slot, and not before it was confirmed',
      run: async context => {
        const node = await context.node({ firmware });
        const { view } = await lookBefore(node);
        await upgrade(context, { node, version: nextVersion(view.osImage) }, ask);
      },
    }),
  ),
];

async function upgrade(context: CaseContext, wanted: Wanted, ask: Ask): Promise<OSUpgradeProgressStatus> {
  const { world, note } = context;
  const { node, version } = wanted;
  const before = await lookBefore(node);
  const request = await ask(world, wanted);
  const [status, seen] = await Promise.all([
    untilUpgraded(node, request, { before, osImage: osImageOf(version) }),
    watchDefault(node, request, before),
  ]);
  note(`slot ${before.booted}, ${before.view.osImage} → ${osImageOf(version)}; ${seen}`);
  await request.remove();
  return status;
}
