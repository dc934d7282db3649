import { z } from 'zod';

const Content = z.object({
  key: z.string().optional(),
  value: z.unknown().optional().meta({ 'x-kubernetes-preserve-unknown-fields': true }),
  operation: z.string().optional(),
});

/** Settings that upstream KubeOS applies to a node. */
export const Configs = z.object({
  version: z.string().optional(),
  configs: z
    .array(
      z.object({
        model: z.string().optional(),
        configpath: z.string().optional(),
        contents: z.array(Content).optional(),
      }),
    )
    .optional(),
});
export type Configs = z.infer<typeof Configs>;
