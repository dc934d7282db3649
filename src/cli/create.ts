import { type Command, InvalidArgumentError } from 'commander';
import type { Document } from 'yaml';
import { type CliContext, note } from './context.ts';
import { setImage } from './manifest-image.ts';
import { type Part, readManifests, writeManifests } from './manifests.ts';
import { isInPod, readOwnImage } from './own-image.ts';

const DESCRIPTIONS: Readonly<Record<Part, string>> = {
  controller: 'the controller: namespace, kinds, permissions, Deployment os-controller',
  agent: 'the agents: namespace, kinds, permissions and their policy, DaemonSet node-agent',
  crds: 'the kinds OSUpgrade, OSUpgradeProgress, OS and OSInstance',
  rbac: 'namespace, ServiceAccounts, permissions, and the policy that ties an agent to its node',
  all: 'everything',
};

const HELP = `
Prints YAML and nothing else on stdout, for kubectl apply -f -. Applying it again changes nothing.

Examples:
  ctl create all --image registry.example.com/twinslot:0.1.0 | kubectl apply -f -
  kubectl exec -i -n mono-system ds/node-agent -- ctl create controller | kubectl apply -f -
  ctl create crds | kubectl apply -f -`;

const IMAGE_HELP = `
Without --image:
  In a Pod, the image of that Pod. The controller is then placed only where an agent runs, and its
  image is never pulled: it is on those nodes already.
  Elsewhere, create controller needs --image.`;

/** Adds `ctl create …`. */
export function registerCreate(program: Command, context: CliContext): void {
  const create = program
    .command('create')
    .description('print manifests for kubectl apply -f -')
    .addHelpText('after', HELP);
  for (const part of ['controller', 'agent', 'crds', 'rbac', 'all'] as const) {
    const command = create.command(part).description(`print ${DESCRIPTIONS[part]}`);
    if (hasImage(part))
      command
        .option(
          '--image <image>',
          'image to run, for example registry.example.com/twinslot:0.1.0',
          parseImage,
        )
        .addHelpText('after', IMAGE_HELP);
    command.action(async () => {
      const documents = await createManifests(part, context, command.optsWithGlobals<CreateOptions>());
      context.stdout.write(writeManifests(documents));
    });
  }
}

interface CreateOptions {
  readonly image?: string;
  readonly kubeconfig?: string;
}

const hasImage = (part: Part): boolean => part === 'controller' || part === 'agent' || part === 'all';

async function createManifests(
  part: Part,
  context: CliContext,
  { image, kubeconfig }: CreateOptions,
): Promise<Document[]> {
  const documents = await readManifests(part);
  if (!hasImage(part)) return documents;
  if (image !== undefined) setImage(documents, image, 'registry');
  else if (part === 'controller' || isInPod(context))
    setImage(documents, await readOwnImage(context, kubeconfig), 'nodes');
  else note(context, 'ctl: no --image given: the image named in the manifests must be on the nodes already');
  return documents;
}

/** Refuses what no container runtime could take, so that the mistake is seen here and not on the nodes. */
function parseImage(text: string): string {
  if (/^[A-Za-z0-9][\w.-]*(:[0-9]+)?(\/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/.test(text)) return text;
  throw new InvalidArgumentError('It must look like registry.example.com/twinslot:0.1.0.');
}
