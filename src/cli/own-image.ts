import { AGENT_NAME, SYSTEM_NAMESPACE } from '../api/monok8s/index.ts';
import { messageOf, StalledError } from '../domain/errors.ts';
import { type CliContext, connect } from './context.ts';

const WAY_OUT = `give --image IMAGE, or run it in an agent's Pod: kubectl exec -n ${SYSTEM_NAMESPACE} ds/${AGENT_NAME} -- ctl create …`;

/** Tells whether this process runs in a Pod. */
export const isInPod = ({ environment }: CliContext): boolean =>
  environment.KUBERNETES_SERVICE_HOST !== undefined;

/**
 * The image of the Pod in which this process runs.
 * @throws StalledError `ImageUnknown` outside of a Pod, or if the Pod cannot be read
 */
export async function readOwnImage(context: CliContext, kubeconfig?: string): Promise<string> {
  const { POD_NAME: name, POD_NAMESPACE: namespace = SYSTEM_NAMESPACE } = context.environment;
  if (name === undefined)
    throw new StalledError('ImageUnknown', `which image to use is not known outside of a Pod: ${WAY_OUT}`);
  const { PODS } = await import('../kube/resources.ts');
  const client = await connect(context, kubeconfig);
  try {
    const pod = await client.get(PODS, { name, namespace });
    if (pod?.image) return pod.image;
    throw new StalledError('NotFound', `there is no Pod ${namespace}/${name}`);
  } catch (cause) {
    throw new StalledError('ImageUnknown', `cannot read our own image: ${messageOf(cause)}; ${WAY_OUT}`, {
      cause,
    });
  } finally {
    await client.close();
  }
}
