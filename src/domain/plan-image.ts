import type { NodePlan, PinnedImage, PlanImage } from '../api/monok8s/index.ts';
import { isLoopbackHost } from './address.ts';

/** Bounds of a plan for which the request gives none. */
export const PLAN_LIMITS: NodePlan['limits'] = { stallSeconds: 600, trialSeconds: 900 };

/** A catalog's entry as a plan carries it. An image on the node itself may come over plain http. */
export function toPlanImage({ version: _, ...image }: PinnedImage): PlanImage {
  const url = URL.parse(image.url);
  const isLocal = url?.protocol === 'http:' && isLoopbackHost(url.hostname);
  return {
    ...image,
    ...(isLocal && { flagSafe: true }),
    ...(image.clientCert !== undefined && { mtls: true }),
  };
}
