import type { Phase } from '../../../src/api/monok8s/index.ts';
import type { CutWish } from './cut-points.ts';
import type { Recording } from './recording.ts';

type Span = { readonly from: number; readonly to: number };

/** Where the power is cut: in every phase, and close to each write that a boot depends on. */
export function wishesFor({ plans, timeline, log }: Recording): CutWish[] {
  return plans.flatMap(({ kind, phases }, index) => {
    const last = plans[index + 1]?.phases[0]?.entries ?? log.entries.length;
    const begin = (phase: Phase): number | undefined => phases.find(known => known.phase === phase)?.entries;
    const first = phases[0]?.entries ?? 0;
    const staged = begin('Staged') ?? first;
    const rebooting = begin('Rebooting') ?? staged;
    const completed = begin('Completed') ?? last;
    const booting = timeline.boots.find(entries => entries >= rebooting) ?? completed;
    const wish = (name: string, count: number, span: Span, at?: CutWish['at']): CutWish => ({
      ...{ name: `${kind}-${name}`, count, ...span },
      ...(at && { at }),
    });
    const trial = { from: rebooting, to: booting };
    const before: CutWish[] =
      kind === 'upgrade'
        ? [
            wish('superblock', 5, { from: first, to: staged }, ['superblock of the slot']),
            wish('marker', 2, { from: first, to: rebooting }, ['marker']),
            wish('downloading', 2, { from: first, to: begin('Installing') ?? staged }),
            wish('installing', 3, { from: begin('Installing') ?? first, to: staged }),
          ]
        : [
            wish('superblock', 2, { from: first, to: rebooting }, ['superblock of the slot']),
            wish('marker', 2, { from: first, to: rebooting }, ['marker']),
            wish('staging', 1, { from: first, to: staged }),
          ];
    const isUpgrade = kind === 'upgrade';
    return [
      ...before,
      wish('arming', isUpgrade ? 3 : 2, trial, ['environment']),
      wish('trial-record', isUpgrade ? 2 : 1, { from: staged, to: booting }, ['trial record']),
      wish('staged', isUpgrade ? 2 : 1, { from: staged, to: rebooting }),
      wish('rebooting', isUpgrade ? 2 : 1, trial),
      wish('flag-cleared', isUpgrade ? 2 : 1, { from: booting, to: completed }, [
        'boot partition',
        'environment',
      ]),
      wish('committing', isUpgrade ? 3 : 2, { from: begin('Confirming') ?? booting, to: last }, [
        'environment',
      ]),
      wish('trial', isUpgrade ? 3 : 1, { from: booting, to: begin('Confirming') ?? completed }),
      wish('confirming', isUpgrade ? 2 : 1, { from: begin('Confirming') ?? booting, to: completed }),
      wish('completed', 1, { from: completed, to: last }),
    ];
  });
}
