import { z } from 'zod';

const HostPath = z.string().startsWith('/');

/** GRUB, by its environment block. */
export const GrubSettings = z.strictObject({
  type: z.literal('grub').default('grub'),
  environment: HostPath.optional().describe("GRUB's environment block; found in the usual places if absent"),
  config: HostPath.optional().describe("GRUB's configuration; found beside the environment block if absent"),
  entries: z.strictObject({ A: z.string(), B: z.string() }).default({ A: 'A', B: 'B' }),
  allowPlainSwitch: z
    .boolean()
    .default(false)
    .describe('switch the default entry where the boot loader cannot try once: no automatic fallback'),
});
export type GrubSettings = z.infer<typeof GrubSettings>;

/** What `fw_setenv` and U-Boot's shell both take for a name. */
const VariableName = z.string().regex(/^[A-Za-z_][\w.-]{0,63}$/, 'must be a name of letters, digits, _ . -');
/** One line of printable characters, with none that U-Boot's shell would take for its own. */
const SlotValue = z
  .string()
  .regex(
    /^[\w.,:/@+-]+( [\w.,:/@+-]+)*$/,
    "must be words of letters, digits and . , : / @ + - _, as 'A' or '2'",
  )
  .max(100);

const Variables = z
  .strictObject({
    slot: VariableName.default('boot_slot').describe('names the slot that bootcmd starts'),
    fallback: VariableName.default('boot_slot_fallback').describe(
      'there during a trial alone: names the slot that altbootcmd starts',
    ),
    upgradeAvailable: VariableName.default('upgrade_available').describe('1: boots are counted'),
    bootCount: VariableName.default('bootcount').describe('boots since the trial was armed'),
    bootLimit: VariableName.default('bootlimit').describe('with more boots than this altbootcmd is run'),
  })
  .refine(names => new Set(Object.values(names)).size === Object.keys(names).length, {
    message: 'must be five different names',
  })
  .prefault({});

/** U-Boot, by its environment, through `fw_printenv` and `fw_setenv`. */
export const UBootSettings = z.strictObject({
  type: z.literal('u-boot'),
  environmentConfig: HostPath.default('/etc/fw_env.config').describe(
    "tells where U-Boot's environment lies, as fw_printenv reads it",
  ),
  variables: Variables,
  values: z
    .strictObject({ A: SlotValue, B: SlotValue })
    .refine(({ A, B }) => A !== B, { message: 'must differ' })
    .default({ A: 'A', B: 'B' })
    .describe('what the slot variable is for each slot'),
  files: z
    .array(HostPath)
    .default([])
    .describe('what U-Boot loads from inside a slot; an image that lacks one of them is refused'),
});
export type UBootSettings = z.infer<typeof UBootSettings>;

// Files that were written before there was a choice do not name the type.
const withType = (raw: unknown): unknown =>
  typeof raw === 'object' && raw !== null && !('type' in raw) ? { type: 'grub', ...raw } : raw;

/** The boot loader of the node, told apart by `type`; GRUB if it names none. */
export const BootLoaderSettings = z
  .preprocess(withType, z.discriminatedUnion('type', [GrubSettings, UBootSettings]))
  .prefault({});
export type BootLoaderSettings = z.infer<typeof BootLoaderSettings>;
