/** API group of `OS` and `OSInstance`, as upstream KubeOS has it. */
export const GROUP = 'upgrade.openeuler.org';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;
/** Every OSInstance lives here, whatever the namespace of the OS object (upstream's rule). */
export const OSINSTANCE_NAMESPACE = 'default';
/** Label on an OSInstance: the name of its node. */
export const OSINSTANCE_NODE_LABEL = 'upgrade.openeuler.org/osinstance-node';
/** Label on a node (value empty): an `OS` object upgrades it, or rolls it back. */
export const UPGRADING_LABEL = 'upgrade.openeuler.org/upgrading';
/** Label on a node (value empty): an `OS` object applies settings to it. */
export const CONFIGURING_LABEL = 'upgrade.openeuler.org/configuring';
/** Label on a node (value empty): it belongs to the batch that a serial `OS` object works through. */
export const SERIAL_LABEL = 'upgrade.openeuler.org/serial';
/** Finds the pods of upstream KubeOS's own agent. @source github.com/openeuler-mirror/KubeOS, docs/example/config */
export const UPSTREAM_PROXY_SELECTOR = 'control-plane=upgrade-proxy';
/** Label that an administrator gives to nodes; `spec.nodeselector` of an `OS` is matched with its value. */
export const NODE_SELECTOR_LABEL = 'upgrade.openeuler.org/node-selector';
