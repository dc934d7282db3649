import { inStyleOf, isSameVersion, parseVersion } from './version.ts';

/** Why something is not done, as a stable word and a sentence that tells the way out. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

/**
 * Judges whether a node may go from one version to another by an `OSUpgrade`: not back, not to another major, and
 * not over a minor. The same version is no change and is not refused.
 * @source Kubernetes version skew policy: a kubelet is upgraded one minor at a time with its control plane
 */
export function judgeVersionChange(current: string, target: string): Refusal | undefined {
  if (isSameVersion(current, target)) return undefined;
  const [from, to] = [parseVersion(current), parseVersion(target)];
  if (from === undefined) return unknownVersion(current, "VERSION_ID in the node's /etc/os-release");
  if (to === undefined) return unknownVersion(target, 'spec.version');
  const running = inStyleOf(target, current);
  if (to.compare(from) < 0) {
    return {
      reason: 'Downgrade',
      message: `${target} is older than ${running}, which the node runs: boot the node's other slot to go back, or ask for a newer version`,
    };
  }
  if (to.major === from.major && to.minor - from.minor <= 1) return undefined;
  const next = to.major === from.major ? `v${from.major}.${from.minor + 1}` : `the last v${from.major} minor`;
  return {
    reason: 'VersionSkew',
    message: `${target} is more than one minor version above ${running}, which the node runs: upgrade to ${next} first`,
  };
}

const unknownVersion = (text: string, field: string): Refusal => ({
  reason: 'VersionUnknown',
  message: `${text === '' ? 'no version' : `"${text}"`} in ${field} is not a version such as v1.35.3: correct it, so that a downgrade can be told from an upgrade`,
});
