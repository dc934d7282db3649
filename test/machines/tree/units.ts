/** Text of a unit file from its sections; values in a list stand on lines of their own. */
export type UnitSections = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

/** Writes a unit file. */
export const unitText = (sections: UnitSections): string =>
  Object.entries(sections)
    .map(([name, entries]) => `[${name}]\n${Object.entries(entries).map(linesOf).join('')}`)
    .join('\n');

const linesOf = ([key, value]: readonly [string, string | readonly string[]]): string =>
  [value]
    .flat()
    .map(each => `${key}=${each}\n`)
    .join('');

/**
 * A unit that a target waits for early in the start, as files of a system.
 * @param name without `.service`
 */
export function earlyUnit(
  name: string,
  { target = 'sysinit.target', unit = {}, service }: EarlyUnit,
): Record<string, string> {
  const text = unitText({
    Unit: { Description: `Test: ${name}`, DefaultDependencies: 'no', Before: target, ...unit },
    Service: { Type: 'oneshot', RemainAfterExit: 'yes', ...service },
  });
  return {
    [`etc/systemd/system/${name}.service`]: text,
    [`etc/systemd/system/${target}.requires/${name}.service`]: `-> ../${name}.service`,
  };
}

/** How such a unit differs from others. */
export interface EarlyUnit {
  /** Default `sysinit.target`. */
  readonly target?: string;
  readonly unit?: UnitSections[string];
  readonly service: UnitSections[string];
}
