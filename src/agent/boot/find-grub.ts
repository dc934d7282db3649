import { access, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StalledError } from '../../domain/errors.ts';
import type { AgentConfig } from '../config.ts';
import { hostPath } from '../host/host-path.ts';
import type { GrubSettings } from './boot-loader-settings.ts';

const EFI_DIR = '/boot/efi/EFI';

/** Where GRUB's environment block and configuration lie, as this process opens them. */
export interface GrubFiles {
  readonly environment: string;
  readonly config: string;
}

/**
 * Finds GRUB's files: as configured, else in the places that distributions use.
 * @throws StalledError `BootEnvironmentInvalid` if there is none
 */
export async function findGrubFiles(
  config: Pick<AgentConfig, 'hostRoot'> & { readonly bootLoader: GrubSettings },
): Promise<GrubFiles> {
  const { hostRoot, bootLoader } = config;
  const places =
    bootLoader.environment === undefined ? await usualPlaces(hostRoot) : [bootLoader.environment];
  for (const place of places) {
    const environment = hostPath(hostRoot, place);
    if (await exists(environment)) {
      const grubCfg = bootLoader.config ?? join(dirname(place), 'grub.cfg');
      return { environment, config: hostPath(hostRoot, grubCfg) };
    }
  }
  throw new StalledError(
    'BootEnvironmentInvalid',
    `GRUB's environment block is not there (looked for ${places.map(p => hostPath(hostRoot, p)).join(', ')}): ` +
      'create it with grub-editenv FILE create, or set bootLoader.environment in the agent’s configuration',
  );
}

async function usualPlaces(hostRoot: string): Promise<string[]> {
  const vendors = await readdir(hostPath(hostRoot, EFI_DIR)).catch(() => []);
  return [
    join(EFI_DIR, 'openEuler/grubenv'),
    ...vendors.sort().map(vendor => join(EFI_DIR, vendor, 'grubenv')),
    '/boot/grub2/grubenv',
    '/boot/grub/grubenv',
  ];
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
