import type { NodePlan, PlanImage } from '../../api/monok8s/index.ts';
import type { SlotFacts, StagedImage } from '../ports.ts';
import { fixedDigest, publicSource } from './image-source.ts';
import type { StagedMarker } from './records.ts';
import type { Task } from './snapshot.ts';
import { isVersion, type VersionRule } from './version-rule.ts';

type Asked = Pick<Task, 'object' | 'isNew'>;

/** The marker tells of the image that `plan` asks for, in this slot; whether it still lies there is another question. */
export const isMarkedFor = (
  marker: StagedMarker | undefined,
  task: Asked,
  plan: NodePlan,
  slot: SlotFacts,
): marker is StagedMarker =>
  marker !== undefined &&
  marker.slot === slot.name &&
  (plan.kind === 'rollback' || holdsImage(marker, task, plan.image));

/** What `plan` asks for lies untouched on the slot that is not running. */
export const isStaged = (
  marker: StagedMarker | undefined,
  task: Asked,
  plan: NodePlan,
  { slot, rule }: { readonly slot: SlotFacts; readonly rule: VersionRule },
): boolean =>
  isMarkedFor(marker, task, plan, slot) &&
  marker.superblockHash === slot.superblockHash &&
  isVersion(slot.osRelease, plan.targetVersion, rule);

function holdsImage(marker: StagedMarker, { object, isNew }: Asked, image: PlanImage | undefined): boolean {
  if (!image || marker.checksum === '') return false;
  const digest = fixedDigest(image);
  if (digest !== undefined) return marker.checksum.toLowerCase() === digest;
  // A tag may have moved: another object pulls again, and so does a retry of what was tried and found bad.
  const wasBad = isNew && object.status?.phase === 'RolledBack';
  return marker.uid === object.metadata.uid && marker.source === publicSource(image) && !wasBad;
}

/** What a marker keeps of the image that was just staged, or, without it, of the one that was found in the slot. */
export function markedImage(
  { kind, image }: NodePlan,
  staged: StagedImage | undefined,
  before: StagedMarker | undefined,
): Pick<StagedMarker, 'checksum' | 'source'> {
  if (kind === 'rollback' || !image) return { checksum: '' };
  const checksum = fixedDigest(image) ?? staged?.checksum ?? before?.checksum ?? '';
  return { checksum, source: publicSource(image) };
}
