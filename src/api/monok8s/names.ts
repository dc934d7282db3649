/** API group of `OSUpgrade` and `OSUpgradeProgress`. */
export const GROUP = 'monok8s.io';
/** The one version that is served and stored. */
export const VERSION = 'v1alpha1';
/** `apiVersion` of both kinds. */
export const API_VERSION = `${GROUP}/${VERSION}`;

/** Label on nodes whose agent has reported and whose agent pod exists. Value: `true`. */
export const MANAGED_LABEL = 'monok8s.io/managed';
/** Annotation on a node that we cordoned; its value is the progress object's name. Only these are uncordoned. */
export const CORDONED_BY_ANNOTATION = 'monok8s.io/cordoned-by';
/** Annotation on a node: `<source UID>/<rollout counter>` of the last rollout that acted on it. */
export const ROLLOUT_ANNOTATION = 'monok8s.io/rollout';

/** Namespace of the controller and of the agents. */
export const SYSTEM_NAMESPACE = 'mono-system';
/** Name of the agents' DaemonSet, of its ServiceAccount and of the label value on its pods. */
export const AGENT_NAME = 'node-agent';
/** Name of the controller's Deployment, of its ServiceAccount and of its Lease. */
export const CONTROLLER_NAME = 'os-controller';
/** Label that tells the two programs' pods apart. */
export const APP_LABEL = 'app.kubernetes.io/name';
