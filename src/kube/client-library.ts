/** What is taken from the official client, named one by one: a bundler then leaves the other 14 MB of it out. */
export { KubeConfig } from '@kubernetes/client-node';
