import type { GrubSettings, UBootSettings } from '../agent/boot/boot-loader-settings.ts';
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
  const command =
    bootLoader.type === 'grub'
      ? await grubCommand(hostRoot, bootLoader, slot)
      : uBootCommand(bootLoader, slot, running);
  return [
    'to boot it once, on the node itself:',
    `  ${command}`,
    '  reboot',
    'the agent makes it the default once the node is Ready and healthy; ' +
      `until then any further boot brings slot ${running} again`,
  ];
}

async function grubCommand(hostRoot: string, bootLoader: GrubSettings, slot: SlotName): Promise<string> {
  const { environment } = await findGrubFiles({ hostRoot, bootLoader });
  const onHost = hostsOwn(hostRoot, environment);
  return `grub-editenv ${quoted(onHost)} set ${quoted(`next_entry=${bootLoader.entries[slot]}`)}`;
}

/** The names and values are words: the settings take no others. */
function uBootCommand(
  { variables, values, environmentConfig }: UBootSettings,
  slot: SlotName,
  running: SlotName,
): string {
  const settings = [
    `${variables.slot}=${values[slot]}`,
    `${variables.fallback}=${values[running]}`,
    `${variables.upgradeAvailable}=1`,
    `${variables.bootCount}=0`,
  ];
  const lines = settings.map(setting => `${setting}\\n`).join('');
  return `printf '${lines}' | fw_setenv -c ${quoted(environmentConfig)} -s -`;
}

/** As a shell takes it for one word. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
