import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const DaemonSet = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        containers: z
          .array(
            z.object({
              env: z.array(z.object({ name: z.string(), value: z.string().optional() })),
              resources: z.object({ limits: z.object({ memory: z.string() }) }),
            }),
          )
          .min(1),
      }),
    }),
  }),
});

/** What the DaemonSet gives an agent: the options of its Node, and the limit of its memory. */
export function readAgentOptions(): { nodeOptions: string; memoryLimit: string } {
  const file = join(import.meta.dirname, '../config/agent/daemonset.yaml');
  const [container] = DaemonSet.parse(parse(readFileSync(file, 'utf8'))).spec.template.spec.containers;
  return {
    nodeOptions: container?.env.find(({ name }) => name === 'NODE_OPTIONS')?.value ?? '',
    memoryLimit: container?.resources.limits.memory ?? '',
  };
}
