import type { EventRecorder } from '../../kube/types.ts';
import type { StatusNote } from '../decide/status.ts';
import type { StatusWriter } from './status-writer.ts';

/** Says what a text says with the paths that the host has. */
export type ShowPaths = (text: string) => string;

/**
 * Messages hold paths as the agent opens them, below the folder in which its container has the host's root. A person
 * types them on the node, so what is told leaves that folder out.
 */
export function createShowPaths(hostRoot: string): ShowPaths {
  const folder = hostRoot.replace(/\/+$/, '');
  if (folder === '') return text => text;
  const escaped = folder.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  // Not in the middle of another path.
  const pattern = new RegExp(`(?<![\\w./-])${escaped}(?=/)`, 'g');
  return text => text.replace(pattern, '');
}

/** A writer whose messages hold the host's paths. */
export const showingStatus = (status: StatusWriter, show: ShowPaths): StatusWriter => ({
  ...status,
  write: (object, note, options) => status.write(object, shownNote(note, show), options),
});

const shownNote = (note: StatusNote, show: ShowPaths): StatusNote => ({
  ...note,
  ...(note.message !== undefined && { message: show(note.message) }),
  ...(note.condition && { condition: { ...note.condition, message: show(note.condition.message) } }),
});

/** A recorder whose Events hold the host's paths. */
export const showingEvents = (events: EventRecorder, show: ShowPaths): EventRecorder => ({
  record: (about, type, reason, message) => events.record(about, type, reason, show(message)),
  flush: () => events.flush(),
});
