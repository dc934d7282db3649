import { relative } from 'node:path';
import type { AgentConfig } from '../agent/config.ts';
import { versionOf } from '../agent/decide/version-rule.ts';
import type { OsRelease, SlotFacts, SlotLayout, StagedImage } from '../agent/ports.ts';
import type { SlotName } from '../api/monok8s/index.ts';
import { clean, formatBytes, formatDuration } from './table.ts';

type VersionField = AgentConfig['versionField'];

/** What a system calls itself: `Demo OS 1.35.1 (VERSION_ID 1.35.1)`. */
export function describeSystem(os: OsRelease | undefined, field: VersionField): string {
  if (os === undefined) return 'no system that can be read';
  const version = `${field} ${clean(versionOf(os, field)) || 'is not set'}`;
  return field === 'PRETTY_NAME'
    ? clean(os.prettyName) || version
    : `${clean(os.prettyName)} (${version})`.trim();
}

/** A path as the host itself has it, not the container in which its root is mounted. */
export const hostsOwn = (hostRoot: string, path: string): string => `/${relative(hostRoot, path)}`;

/** What is going to be written where. */
export function planLines(
  layout: SlotLayout,
  slot: SlotName,
  {
    input,
    config,
  }: { readonly input: string; readonly config: Pick<AgentConfig, 'hostRoot' | 'versionField'> },
): string[] {
  const field = config.versionField;
  const onHost = ({ path }: SlotFacts): string => hostsOwn(config.hostRoot, path);
  const [running, target] = [layout[layout.booted], layout[slot]];
  return [
    `runs    slot ${running.name}  ${onHost(running)}  ${describeSystem(running.osRelease, field)}`,
    `writes  slot ${target.name}  ${onHost(target)}  ${formatBytes(target.sizeBytes)} (${target.sizeBytes} bytes), ` +
      `holds ${describeSystem(target.osRelease, field)}`,
    `image   ${clean(input)}`,
  ];
}

/** What lies on the slot now. */
export const doneLines = (facts: SlotFacts, staged: StagedImage, field: VersionField): string[] => [
  `slot ${facts.name} holds ${describeSystem(facts.osRelease, field)}, ${formatBytes(staged.expandedBytes)}, read back and right`,
  `the input had the checksum ${staged.checksum}`,
];

/** What happens to a boot by hand that the agent does not keep. */
export const guardedLine = (trialSeconds: number): string =>
  `if that has not happened ${formatDuration(trialSeconds * 1000)} after the boot, a guard in the slot reboots the node soon after`;

/** What became of a slot whose flashing failed. @param after absent if it cannot be read */
export function failedLine(before: SlotFacts, after: SlotFacts | undefined, field: VersionField): string {
  const slot = `slot ${before.name}`;
  if (after === undefined) return `${slot} cannot be read now: see ctl flash --slot ${before.name} --dry-run`;
  if (after.osRelease === undefined)
    return `${slot} holds nothing that can be booted, and no boot loader finds it: flash it again. What runs is untouched`;
  const isUntouched = before.superblockHash === after.superblockHash;
  return `${slot} ${isUntouched ? 'is as it was, with' : 'holds'} ${describeSystem(after.osRelease, field)}`;
}
