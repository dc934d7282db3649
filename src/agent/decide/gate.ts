import type { NodePlan } from '../../api/monok8s/index.ts';
import type { Outcome } from './records.ts';

/** What the controller's gate means for one attempt. */
export type GateView =
  | { readonly type: 'open' }
  | { readonly type: 'closed' | 'draining'; readonly message: string }
  | { readonly type: 'ended'; readonly outcome: Outcome };

/**
 * Reads a gate for `attempt`. It counts only for the attempt that it names, so that an old one lets nothing through.
 * An attempt that has not begun is also ended by a gate that was cancelled before any attempt.
 */
export function viewGate({ gate }: NodePlan, attempt: number): GateView {
  const isOurs = gate.attempt === attempt || (attempt === 1 && gate.attempt === 0);
  if (!isOurs) return { type: 'closed', message: CLOSED };
  const said = gate.message || gate.reason;
  switch (gate.state) {
    case 'Cancelled':
      return { type: 'ended', outcome: failed(gate.reason || 'Cancelled', said || CANCELLED) };
    case 'Failed':
      return {
        type: 'ended',
        outcome: failed(gate.reason || 'DrainFailed', said || 'the node could not be drained'),
      };
    case 'Draining':
      return { type: 'draining', message: said || 'the node is being drained' };
    case 'Open':
      // Zero is no attempt: a gate must name the one that it lets through.
      return gate.attempt === attempt ? { type: 'open' } : { type: 'closed', message: CLOSED };
    case 'Closed':
      return { type: 'closed', message: said || CLOSED };
  }
}

const CLOSED = 'the image is staged; waiting for the controller to drain the node';
const CANCELLED = 'the request was cancelled before the node was drained';
const failed = (reason: string, message: string): Outcome => ({ phase: 'Failed', reason, message });
