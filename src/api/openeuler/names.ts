/** API group of `OS` and `OSInstance`, as upstream KubeOS has it. */
export const GROUP = 'upgrade.openeuler.org';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;
/** Every OSInstance lives here, whatever the namespace of the OS object (upstream's rule). */
export const OSINSTANCE_NAMESPACE = 'default';
/** Label on an OSInstance: the name of its node. */
export const OSINSTANCE_NODE_LABEL = 'upgrade.openeuler.org/osinstance-node';
