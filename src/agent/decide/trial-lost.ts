import type { SlotName } from '../../api/monok8s/index.ts';
import type { GuardNote } from '../guard/note.ts';
import type { Snapshot } from './snapshot.ts';

/** What it can mean that a slot was tried, nobody knows how it went, and the old system runs. */
export const LOST =
  'was tried and did not come up; the node runs the old system. Nothing was left that tells why: the boot loader ' +
  'could not load it, its kernel panicked, its root was not found, or the power failed. The console shows which';

/** What the guard of `slot` left before it rebooted the node. A note of this boot or of the other slot is none. */
export const noteOf = ({ guardNote, bootId }: Snapshot, slot: SlotName): GuardNote | undefined =>
  guardNote?.slot === slot && guardNote.bootId !== bootId ? guardNote : undefined;
