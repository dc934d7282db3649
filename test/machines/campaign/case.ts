import type { MachineNode, MachineNodeOptions } from '../machine-node.ts';
import type { World } from '../world.ts';

/** What a case is given. */
export interface CaseContext {
  readonly world: World;
  /**
   * A Ready node with a running agent; an earlier case's node with the same options if that is well. Its running slot
   * and version are whatever that case left.
   */
  node(options?: CaseNodeOptions): Promise<MachineNode>;
  /** A number from 0 to 1 that the campaign's seed decides: the same seed gives the same numbers to the same case. */
  random(): number;
  /** The campaign's seed itself. */
  readonly seed: number;
  /** The results go into docs/evidence. */
  readonly isRecorded: boolean;
  /** Of a case that cuts the power many times: whether this cut is to be done. */
  wantsCut(id: string): boolean;
  /** One line for the report: what happened, in the words of the objects. */
  note(text: string): void;
  /** Shown while the case runs. */
  step(text: string): void;
}

/** What a case asks of its node. */
export type CaseNodeOptions = Partial<Omit<MachineNodeOptions, 'name' | 'images'>> & {
  /** Default false. True: a node of its own, which no later case gets. */
  readonly isPrivate?: boolean;
};

/** One thing that has to hold on a machine that boots. */
export interface MachineCase {
  /** Stable, for `--only`: `boot/kernel-panics`. What stands before the slash is the row of the report's table. */
  readonly id: string;
  /** "the new kernel panics". */
  readonly title: string;
  /** "RolledBack, old version runs". */
  readonly expected: string;
  /** Also part of `npm test`. */
  readonly isQuick?: boolean;
  /** Does something to the world of all cases, such as stopping its API server: no other case runs meanwhile. */
  readonly isAlone?: boolean;
  /** @throws Error when something does not hold */
  run(context: CaseContext): Promise<void>;
}
