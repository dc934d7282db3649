import type { SlotName } from '../../api/monok8s/index.ts';
import { StalledError } from '../../domain/errors.ts';
import type { AgentConfig } from '../config.ts';
import { otherSlot } from '../decide/snapshot.ts';
import type { BootLoader, BootState } from '../ports.ts';
import type { UBootSettings } from './boot-loader-settings.ts';
import { assertChangeable, changeVariables, readVariables, type UBootPlace } from './uboot-environment.ts';
import { lacksForTrial, readState, rootByUuid, settledChanges, trialChanges } from './uboot-state.ts';

type UBootConfig = Pick<AgentConfig, 'hostRoot'> & { readonly bootLoader: UBootSettings };

const SLOT_NAMES: readonly SlotName[] = ['A', 'B'];

/**
 * U-Boot, through its environment: a variable names the slot, and `bootcount`, `bootlimit` and `upgrade_available` make
 * a boot of it a trial.
 */
export function createUBoot(config: UBootConfig): BootLoader {
  const { bootLoader } = config;
  const place = { hostRoot: config.hostRoot, environmentConfig: bootLoader.environmentConfig };
  return {
    name: 'u-boot',
    read: () => read(place, bootLoader),
    assertTrialSupported: () => assertTrialSupported(place, bootLoader),
    assertFindsNewSystem: () => assertFindsNewSystem(place),
    armTrial: (slot, fallback) => changeVariables(place, trialChanges(slot, fallback, bootLoader)),
    settle: slot => changeVariables(place, settledChanges(slot, bootLoader)),
    bootFiles: async () => [...bootLoader.files],
    // The slot variable names the new slot during its trial already; this one is 0 again once a slot was kept.
    describeDefault: async () => ({
      type: 'u-boot',
      variable: bootLoader.variables.upgradeAvailable,
      values: ['0'],
      config: bootLoader.environmentConfig,
    }),
  };
}

async function read(place: UBootPlace, settings: UBootSettings): Promise<BootState> {
  const state = readState(await readVariables(place), settings);
  if ('defaultSlot' in state) return state;
  const { A, B } = settings.values;
  throw new StalledError(
    'BootEnvironmentInvalid',
    `U-Boot's variable ${state.variable} is ${JSON.stringify(state.value)}, which means neither slot: set it to ` +
      `${JSON.stringify(A)} or ${JSON.stringify(B)} (fw_setenv ${state.variable} …), or correct bootLoader.variables ` +
      'and bootLoader.values',
  );
}

async function assertTrialSupported(place: UBootPlace, settings: UBootSettings): Promise<void> {
  const variables = await readVariables(place);
  const lacks = lacksForTrial(variables, settings);
  if (lacks.length > 0)
    throw new StalledError(
      'TrialBootUnsupported',
      `U-Boot's environment cannot boot a slot once: ${lacks.join('; ')}. Set it with fw_setenv, or in the U-Boot of ` +
        'the board (docs/u-boot.md has a sample)',
    );
  // Known now, and not when the node has been drained: every value that will be written fits and may be written.
  for (const slot of SLOT_NAMES)
    await assertChangeable(place, variables, trialChanges(slot, otherSlot(slot), settings));
}

async function assertFindsNewSystem(place: UBootPlace): Promise<void> {
  const variable = rootByUuid(await readVariables(place));
  if (variable === undefined) return;
  throw new StalledError(
    'BootLineUnsupported',
    `U-Boot's variable ${variable} has root=UUID=, but a new image has another file-system UUID: use root=PARTUUID= or ` +
      'root=LABEL=ROOT-A (ROOT-B)',
  );
}
