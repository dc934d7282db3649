import { type Document, isMap } from 'yaml';

/** Where an image comes from: a registry, or the nodes that already run it as their agent. */
export type ImageSource = 'registry' | 'nodes';

const POD = ['spec', 'template', 'spec'];
const CONTAINER = [...POD, 'containers', 0];

/** Puts `image` into the pod templates among the manifests. */
export function setImage(documents: readonly Document[], image: string, source: ImageSource): void {
  for (const document of documents) {
    if (!isMap(document.getIn(CONTAINER))) continue;
    document.setIn([...CONTAINER, 'image'], image);
    if (document.get('kind') === 'Deployment' && source === 'registry') allowEveryNode(document);
  }
}

/** The image can be pulled: the pod need not be where an agent has it. */
function allowEveryNode(deployment: Document): void {
  deployment.setIn([...CONTAINER, 'imagePullPolicy'], 'IfNotPresent');
  deployment.deleteIn([...POD, 'affinity', 'podAffinity']);
}
