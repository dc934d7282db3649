import { Gauge, Registry } from 'prom-client';
import { isActive } from '../domain/progress.ts';
import type { World } from './fleet.ts';

/** The controller's figures, read from its caches when they are asked for. */
export interface ControllerMetrics {
  /** Prometheus' text format. */
  text(): Promise<string>;
  /** The caches to read from; `undefined` while another process leads. */
  observe(world: World | undefined): void;
}

/** Makes the figures. */
export function createMetrics(): ControllerMetrics {
  const registry = new Registry();
  let world: World | undefined;
  new Gauge({
    name: 'twinslot_leader',
    help: '1 while this process leads',
    registers: [registry],
    collect() {
      this.set(world === undefined ? 0 : 1);
    },
  });
  new Gauge({
    name: 'twinslot_requests',
    help: 'Requests of both APIs by phase',
    labelNames: ['kind', 'phase'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { status } of world?.upgrades.list() ?? [])
        this.inc({ kind: 'OSUpgrade', phase: status?.phase ?? 'None' });
      for (const { status } of world?.oses.list() ?? [])
        this.inc({ kind: 'OS', phase: status?.phase ?? 'None' });
    },
  });
  new Gauge({
    name: 'twinslot_progresses',
    help: 'OSUpgradeProgresses by phase; active: an agent works on them',
    labelNames: ['phase', 'active'],
    registers: [registry],
    collect() {
      this.reset();
      for (const progress of world?.progresses.list() ?? []) {
        this.inc({ phase: progress.status?.phase ?? 'None', active: String(isActive(progress)) });
      }
    },
  });
  return {
    text: () => registry.metrics(),
    observe: next => {
      world = next;
    },
  };
}
