import { copyFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../wait.ts';
import type { AgentRunner } from './agent-runner.ts';
import { type BootResult, boot } from './firmware.ts';
import { type Kubelet, startKubelet } from './kubelet.ts';
import type { PodHandler } from './kubelet-pods.ts';
import type { NodeApi } from './node-api.ts';
import { NodeFaults } from './node-faults.ts';
import { type NodeFiles, showBootedSystem } from './node-files.ts';
import type { NodeSystem } from './node-objects.ts';
import { runProgram } from './run-program.ts';
import { parseAssignments, readOsRelease } from './slot-file.ts';
import { copyUBoot } from './uboot-node.ts';

/** What a node is put together from. */
export interface NodeParts {
  readonly name: string;
  readonly dir: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly files: NodeFiles;
  readonly agent: AgentRunner;
  readonly api: NodeApi;
  readonly onPodRunning: PodHandler['onRunning'];
  readonly onPodStopped: PodHandler['onStopped'];
  /** Gives up what the node holds, when it stops for good. */
  close(): Promise<void>;
  /** Deletes what there is of the node in the cluster. */
  removeObjects(): Promise<void>;
}

/**
 * A machine of two slots: the real agent as a process of its own, against real file systems and a real GRUB
 * environment block in plain files, between stand-ins for firmware and kubelet.
 */
export class EmulatedNode {
  readonly name: string;
  /** Folder of the node: `agent.log`, `boot.log`, `agent.yaml`, and the host's root in `root`. */
  readonly dir: string;
  readonly files: NodeFiles;
  readonly agent: AgentRunner;
  readonly faults = new NodeFaults();
  readonly #parts: NodeParts;
  #state: BootResult = { outcome: 'menu' };
  #system: NodeSystem | undefined;
  #bootCount = 0;
  #kubelet: Kubelet | undefined;
  #powering: Promise<void> = Promise.resolve();
  #isScrapped = false;

  constructor(parts: NodeParts) {
    this.name = parts.name;
    this.dir = parts.dir;
    this.files = parts.files;
    this.agent = parts.agent;
    this.#parts = parts;
    parts.agent.onPowerCut = () => void this.reboot();
  }

  /** Boots that came to a running system. */
  get bootCount(): number {
    return this.#bootCount;
  }

  /** The slot that runs; `undefined` if the last boot came to nothing. */
  get bootedSlot(): 'A' | 'B' | undefined {
    return this.#state.outcome === 'booted' ? this.#state.slot : undefined;
  }

  /** What `/proc` and `/etc/os-release` of the running system say. */
  get system(): NodeSystem | undefined {
    return this.#system;
  }

  /** Shuts down and boots. A machine that hangs is started again by this, as by its reset button. */
  reboot(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isScrapped) return;
      await this.#goDown();
      await delay(this.faults.bootDelayMs);
      await this.faults.bootHold;
      await this.#comeUp();
    });
  }

  /** Switches the machine off; its objects in the cluster stay as they are. */
  powerOff(): Promise<void> {
    return this.#inTurn(() => this.#goDown());
  }

  /** Resolves when the machine has booted so many times since it was made. */
  async waitForBoot(count: number, timeoutMs = 60_000): Promise<void> {
    const what = `${this.name} has booted ${count} times`;
    await eventually(() => this.#bootCount >= count, { timeoutMs, everyMs: 20, what });
  }

  /** Cuts the kubelet off from the API server, until the next boot. */
  async cutOffKubelet(): Promise<void> {
    const kubelet = this.#kubelet;
    this.#kubelet = undefined;
    await kubelet?.stop();
  }

  /** GRUB's variables, read by GRUB's own tool. */
  async grubenv(): Promise<Record<string, string>> {
    return parseAssignments(await runProgram('grub-editenv', this.files.grubEnvironment, 'list'));
  }

  /** `/etc/os-release` in a slot; empty if there is none. */
  slotOsRelease(slot: 'A' | 'B'): Promise<Record<string, string>> {
    return readOsRelease(this.files.slots[slot]);
  }

  /** What the firmware did at all boots, a line for each step. */
  async bootLog(): Promise<string[]> {
    return (await readFile(this.files.bootLog, 'utf8')).trimEnd().split('\n');
  }

  /**
   * Lets the firmware boot from a copy of the boot loader's environment, to see which version would run if power failed now.
   * @throws Error if it is another one, or none
   */
  async assertBootsVersion(version: string): Promise<void> {
    const [grubEnvironment, bootLog] = [join(this.dir, 'rehearsal.env'), join(this.dir, 'rehearsal.log')];
    await copyFile(this.files.grubEnvironment, grubEnvironment);
    await rm(bootLog, { force: true });
    const { uBootConfig } = this.files;
    const uBoot = uBootConfig !== undefined && { uBootConfig: await copyUBoot(uBootConfig, this.dir) };
    const result = await boot({ ...this.files, ...uBoot, grubEnvironment, bootLog }, this.faults);
    const got = result.outcome === 'booted' ? result.osRelease.VERSION_ID : result.outcome;
    if (got === version.replace(/^v/, '')) return;
    throw new Error(`${this.name} would boot ${got}, not ${version}:\n${await readFile(bootLog, 'utf8')}`);
  }

  /** Switches the machine off for good; its objects in the cluster stay as they are. */
  async stop(): Promise<void> {
    this.#isScrapped = true;
    await this.powerOff();
    await this.#parts.close();
  }

  /** Switches the machine off for good, and deletes its Node and the pods on it. */
  async removeFromCluster(): Promise<void> {
    await this.stop();
    await this.#parts.removeObjects();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#powering.then(work);
    this.#powering = done.catch(() => undefined);
    return done;
  }

  async #goDown(): Promise<void> {
    await Promise.all([this.cutOffKubelet(), this.agent.turnOff()]);
  }

  async #comeUp(): Promise<void> {
    this.#state = await boot(this.files, this.faults);
    if (this.#state.outcome !== 'booted') return;
    const { slot } = this.#state;
    this.#system = await showBootedSystem(this.files, this.#state, this.faults.shownVersion.get(slot));
    const { name, labels, api, onPodRunning, onPodStopped } = this.#parts;
    const pods: PodHandler = {
      onRunning: onPodRunning,
      onStopped: onPodStopped,
      removalDelayMs: pod => this.faults.podRemovalDelayMs(pod),
    };
    const isReady = !this.faults.neverReady.has(slot);
    this.#kubelet = startKubelet({ name, labels, api, pods }, this.#system, isReady);
    this.agent.turnOn();
    this.#bootCount += 1;
  }
}
