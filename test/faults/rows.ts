/** What can go wrong and is shown, one test for each row. `every-row.test.ts` fails if a row has no test. */
export const FAULT_ROWS = [
  'version not in the catalog',
  'blocked',
  'downgrade',
  'two minors ahead',
  'no stable',
  'malformed catalog (line and column)',
  'catalog over 1 MiB',
  'YAML alias bomb',
  'two catalog sources',
  'unreachable catalog (retried)',
  'checksum wrong',
  'image larger than the slot',
  'expanded size different from size',
  'truncated download',
  'connection dropped several times (resumed)',
  'server that stalls',
  '404',
  '503 then 200',
  'http without flagSafe',
  'https with the wrong CA',
  'redirect from https to http',
  'target slot mounted',
  'three slots',
  'unknown node name',
  'agent killed at random moments',
  'controller killed at random moments',
  'two controllers at once',
  'API server restarted',
  'entry cannot be loaded',
  'trial boot that panics',
  'trial boot that never gets Ready',
  'trial boot that shows another version',
  'power cut in every phase',
  'PodDisruptionBudget that never allows',
  'pod that does not go',
] as const;

export type FaultRow = (typeof FAULT_ROWS)[number];

/** Declares the test of one row. */
export const fault = (row: FaultRow, test: Mocha.AsyncFunc): void => void it(row, test);
