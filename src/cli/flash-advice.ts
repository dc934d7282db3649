import type { GrubSettings } from '../agent/boot/boot-loader-settings.ts';
import { findGrubFiles } from '../agent/boot/find-grub.ts';
import type { AgentConfig } from '../agent/config.ts';
import type { SlotName } from '../api/monok8s/index.ts';
import { hostsOwn } from './flash-text.ts';

/** Tells how a person boots a slot once, on the node itself. */
export async function bootAdvice(
  { hostRoot, bootLoader }: Pick<AgentConfig, 'hostRoot' | 'bootLoader'>,
  slot: SlotName,
  running: SlotName,
): Promise<string[]> {
  const how =
    bootLoader.type === 'grub'
      ? [
          'to boot it once, on the node itself:',
          `  ${await grubCommand(hostRoot, bootLoader, slot)}`,
          '  reboot',
        ]
      : ['how to boot it once by hand: docs/u-boot.md'];
  return [
    ...how,
    'the agent makes it the default once the node is Ready and healthy; ' +
      `until then any further boot brings slot ${running} again`,
  ];
}

async function grubCommand(hostRoot: string, bootLoader: GrubSettings, slot: SlotName): Promise<string> {
  const { environment } = await findGrubFiles({ hostRoot, bootLoader });
  const onHost = hostsOwn(hostRoot, environment);
  return `grub-editenv ${quoted(onHost)} set ${quoted(`next_entry=${bootLoader.entries[slot]}`)}`;
}

/** As a shell takes it for one word. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
