import type { AnyStatus, Request, Target } from '../../domain/request.ts';
import type { EventSubject } from '../../kube/types.ts';
import type { ControllerContext } from '../context.ts';

/** What Events about a request are about. */
export const subjectOf = ({
  apiVersion,
  kind,
  metadata: { name, namespace, uid },
}: Request): EventSubject => ({
  apiVersion,
  kind,
  name,
  uid,
  ...(namespace === undefined ? {} : { namespace }),
});

/** Tells in an Event and the log what a status says that the one before did not, as far as a person should know. */
export function announce(
  { events, log }: ControllerContext,
  request: Request,
  next: AnyStatus,
  target: Target | undefined,
): void {
  const { title, status } = request;
  const about = subjectOf(request);
  const { phase, reason = '', message = '' } = next;
  const note = target?.note;
  const begins = phase === 'Accepted' && (status?.phase !== 'Accepted' || next.rollout !== status.rollout);
  if (note !== undefined && begins) events.record(about, 'Warning', note.reason, note.message);
  if (phase !== status?.phase || reason !== status?.reason) {
    log.info('request changed', { request: title, phase, reason, detail: message });
    events.record(about, phase === 'Rejected' ? 'Warning' : 'Normal', reason, message);
  }
  for (const type of ['Degraded', 'Superseded']) {
    const before = status?.conditions?.find(condition => condition.type === type);
    const after = next.conditions?.find(condition => condition.type === type);
    if (after?.status !== 'True' || phase === 'Rejected') continue;
    if (before?.status === 'True' && before.reason === after.reason) continue;
    log.warn('request needs attention', { request: title, reason: after.reason, detail: after.message });
    events.record(about, 'Warning', after.reason, after.message);
  }
}
