import type { NodePlan, PinnedImage, PlanImage } from '../api/monok8s/index.ts';
import { isLoopbackHost } from './address.ts';

/** Bounds of a plan for which the request gives none. */
export const PLAN_LIMITS: NodePlan['limits'] = { stallSeconds: 600, trialSeconds: 900 };

/** The scheme of an image in a registry. */
export const REGISTRY_SCHEME = 'oci://';

/** A catalog's entry as a plan carries it. An image on the node itself may come over plain http. */
export function toPlanImage({ version: _, url: address, ...image }: PinnedImage): PlanImage {
  if (address.startsWith(REGISTRY_SCHEME)) {
    const { checksum, size } = image;
    // With its scheme: `oci://registry/os` names a host, `registry/os` would be Docker Hub's.
    return { reference: address, ...(checksum && { checksum }), ...(size && { size }) };
  }
  const url = URL.parse(address);
  const isLocal = url?.protocol === 'http:' && isLoopbackHost(url.hostname);
  return {
    url: address,
    ...image,
    ...(isLocal && { flagSafe: true }),
    ...(image.clientCert !== undefined && { mtls: true }),
  };
}
