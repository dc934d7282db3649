import type { Logger } from 'winston';
import { unreachable } from '../../domain/errors.ts';
import type { AgentConfig } from '../config.ts';
import type { BootLoader } from '../ports.ts';
import { createGrub } from './grub.ts';
import { createUBoot } from './uboot.ts';

/** The boot loader that the agent's configuration names. */
export function createBootLoader(
  config: Pick<AgentConfig, 'hostRoot' | 'slots' | 'bootLoader'>,
  log: Logger,
): BootLoader {
  const { bootLoader } = config;
  switch (bootLoader.type) {
    case 'grub':
      return createGrub({ ...config, bootLoader }, log);
    case 'u-boot':
      return createUBoot({ ...config, bootLoader });
    default:
      return unreachable(bootLoader);
  }
}
