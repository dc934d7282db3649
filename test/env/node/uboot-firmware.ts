/** U-Boot's variables by name. */
export type UBootVariables = Readonly<Record<string, string>>;

/** What U-Boot does when the machine is switched on: what it saves, and the slot that it starts. */
export interface UBootStart {
  readonly variables: UBootVariables;
  /** What `boot_slot` was when the kernel was loaded: `A`, `B`, or whatever else stood there. */
  readonly slot: string;
  /** It ran `altbootcmd`. */
  readonly isAlternative: boolean;
}

/** How a board's `altbootcmd` goes back: it settles the environment, or starts the other slot and saves nothing. */
export type Alternative = 'settles' | 'saves nothing' | 'toggles';

/**
 * Counts a boot as U-Boot with CONFIG_BOOTCOUNT_ENV does, then runs `bootcmd` or `altbootcmd`.
 * @source U-Boot 2023.01: `bootdelay_process` in common/autoboot.c, `bootcount_inc` and `bootcount_error` in
 *   include/bootcount.h, drivers/bootcount/bootcount_env.c; test/machines/u-boot shows that a real one does the same
 */
export function startUBoot(before: UBootVariables, alternative: Alternative = 'settles'): UBootStart {
  const isCounted = number(before.upgrade_available) > 0;
  const count = (isCounted ? number(before.bootcount) : 0) + 1;
  const variables = isCounted ? { ...before, bootcount: String(count) } : before;
  const limit = number(before.bootlimit);
  if (limit === 0 || count <= limit)
    return { variables, slot: variables.boot_slot ?? '', isAlternative: false };
  const fallback = before.boot_slot_fallback ?? '';
  switch (alternative) {
    case 'settles': {
      const { boot_slot_fallback: _gone, ...others } = variables;
      const settled = { ...others, boot_slot: fallback, upgrade_available: '0', bootcount: '0' };
      return { variables: settled, slot: fallback, isAlternative: true };
    }
    case 'saves nothing':
      return { variables, slot: fallback, isAlternative: true };
    case 'toggles': {
      const other = variables.boot_slot === 'A' ? 'B' : 'A';
      return {
        variables: { ...variables, boot_slot: other, bootcount: '0' },
        slot: other,
        isAlternative: true,
      };
    }
  }
}

const number = (text = ''): number => Number(/^\d+/.exec(text)?.[0] ?? 0);
