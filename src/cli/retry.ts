import type { Command } from 'commander';
import type { OSUpgradeProgress } from '../api/monok8s/index.ts';
import { toTimestamp } from '../domain/clock.ts';
import { StalledError } from '../domain/errors.ts';
import { titleOf } from '../domain/progress.ts';
import type { KubeClient } from '../kube/types.ts';
import { type CliContext, connect, print } from './context.ts';

const HELP = `
Changes spec.retryNonce of an OSUpgradeProgress, which its node's agent takes for a wish to try again.
A staged image that is still good is not downloaded again. It serves OSUpgrade and OS alike.

Examples:
  kubectl get osupgradeprogresses
  ctl retry osupgrade-abc123f
The same with kubectl:
  kubectl patch osupgradeprogress osupgrade-abc123f --type merge -p '{"spec":{"retryNonce":"retry-1"}}'`;

/** Adds `ctl retry NAME`. */
export function registerRetry(program: Command, context: CliContext): void {
  const command = program
    .command('retry')
    .description("try a node's failed upgrade again")
    .argument('<name>', 'name of the OSUpgradeProgress')
    .addHelpText('after', HELP)
    .action(async (name: string) => {
      const client = await connect(context, command.optsWithGlobals<{ kubeconfig?: string }>().kubeconfig);
      try {
        print(context, await retry(client, name, context.clock.nowMs()));
      } finally {
        await client.close();
      }
    });
}

/**
 * Asks for another attempt and tells what is going to happen.
 * @throws StalledError `NotFound` with the names there are
 */
export async function retry(client: KubeClient, name: string, nowMs: number): Promise<string> {
  const { OSUPGRADE_PROGRESSES } = await import('../kube/resources.ts');
  const progress = await client.get(OSUPGRADE_PROGRESSES, { name });
  if (progress === undefined)
    throw new StalledError('NotFound', explainMissing(name, await client.list(OSUPGRADE_PROGRESSES, {})));
  const { uid } = progress.metadata;
  await client.patch(
    OSUPGRADE_PROGRESSES,
    { name },
    {
      type: 'merge',
      body: { metadata: { uid }, spec: { retryNonce: nextNonce(progress.spec.retryNonce, nowMs) } },
    },
  );
  return explainRetry(progress);
}

/** A nonce that says when it was set, and differs from the one before. */
export function nextNonce(current: string | undefined, nowMs: number): string {
  const nonce = `retry-${toTimestamp(nowMs)}`;
  return nonce === current ? `${nonce}-again` : nonce;
}

/** What an agent makes of a changed nonce. */
export function explainRetry({ metadata, spec, status }: OSUpgradeProgress): string {
  const upgrade = `${spec.nodeName} to ${status?.targetVersion ?? spec.plan?.targetVersion ?? 'its target'}`;
  switch (status?.phase) {
    case undefined:
    case 'Pending':
      return `${metadata.name} has not begun: it goes on with ${upgrade} as before`;
    case 'Failed':
    case 'RolledBack':
      return `${metadata.name} tries again to bring ${upgrade}: attempt ${(status?.attempt ?? 1) + 1}. Follow it with ctl status --watch`;
    case 'Completed':
      return `${metadata.name} is completed: it acts again only if ${spec.nodeName} runs another version by now`;
    default:
      return `${metadata.name} is ${status?.phase}: the wish is kept, and acted on if this attempt fails`;
  }
}

/** Lists what the person may have meant: the objects of a node or of a request, if its name was given. */
export function explainMissing(name: string, all: readonly OSUpgradeProgress[]): string {
  const onNode = all.filter(({ spec }) => spec.nodeName === name).map(({ metadata }) => metadata.name);
  if (onNode.length > 0) return `${name} is a node; its OSUpgradeProgress is ${onNode.join(' or ')}`;
  const ofRequest = all.filter(({ spec }) => isNameOf(spec.sourceRef, name));
  const [first] = ofRequest;
  if (first !== undefined)
    return `${name} is the request ${titleOf(first.spec.sourceRef)}; name the part of one node: ${listNames(ofRequest)}`;
  const list = all.length === 0 ? 'there is none' : `there are ${listNames(all)}`;
  return `no OSUpgradeProgress is named ${name}: ${list}`;
}

/** `my-upgrade`, `os-sample`, `default/os-sample` */
const isNameOf = (ref: OSUpgradeProgress['spec']['sourceRef'], text: string): boolean =>
  text === ref.name || titleOf(ref).endsWith(` ${text}`);

function listNames(all: readonly OSUpgradeProgress[]): string {
  const names = all.map(({ metadata, spec }) => `${metadata.name} (${spec.nodeName})`).sort();
  const more = names.length > 20 ? ` and ${names.length - 20} more` : '';
  return `${names.slice(0, 20).join(', ')}${more}`;
}
