/** The tables of the report: what stands before the slash in the ids of their cases → title. */
export const ROWS = {
  upgrade: 'Upgrades and rollbacks',
  boot: 'The new system does not boot',
  trial: 'The new system boots, and is not well',
  power: 'The power is cut',
  disk: 'Disks and boot loaders that fail',
  agent: 'The agent is upgraded or killed',
  names: 'Names of disks',
  hand: 'By hand',
} as const;
