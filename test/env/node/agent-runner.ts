import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type AgentProcess, type AgentStart, startAgentProcess } from './agent-process.ts';
import { type PowerCut, powerCutEnv, powerCutHappened } from './power-cut-plan.ts';

const STOP_GRACE_MS = 5_000;
const RESTART_MS = { first: 100, last: 2_000 };

/** Where an agent's files are, and whose they are. */
export interface AgentPlace {
  readonly nodeName: string;
  /** Folder of the node; the agent's log lies in it. */
  readonly dir: string;
  readonly configFile: string;
}

/** The pod that the agent runs in, and its identity. */
export interface AgentIdentity {
  readonly podName: string;
  readonly kubeconfig: string;
}

/** Keeps a node's agent running, as a kubelet keeps a container: it starts again whenever it ends. */
export class AgentRunner {
  /** Called when a power cut ended the agent. */
  onPowerCut: () => void = () => undefined;
  /** How the power fails in an agent that is started from now on. */
  powerCut: PowerCut | undefined;
  /** Whether an agent that ends starts again. */
  restarts = true;
  #identity: AgentIdentity | undefined;
  #process: AgentProcess | undefined;
  #isOn = false;
  #restartDelayMs = RESTART_MS.first;
  readonly #place: AgentPlace;

  constructor(place: AgentPlace) {
    this.#place = place;
  }

  /** Process id of the running agent. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** The kubeconfig that the agent uses, once it has a pod. */
  get kubeconfig(): string | undefined {
    return this.#identity?.kubeconfig;
  }

  /** The machine is up: the agent starts if it has a pod. */
  turnOn(): void {
    this.#isOn = true;
    this.#restartDelayMs = RESTART_MS.first;
    this.#start();
  }

  /** The machine goes down. */
  async turnOff(): Promise<void> {
    this.#isOn = false;
    await this.#process?.stop(STOP_GRACE_MS);
  }

  /** Gives the agent its pod, and starts it if the machine is up. */
  setIdentity(identity: AgentIdentity): void {
    this.#identity = identity;
    if (this.#isOn) this.#start();
  }

  /** Takes the agent's pod away: it ends. */
  async removeIdentity(): Promise<void> {
    this.#identity = undefined;
    await this.#process?.stop(STOP_GRACE_MS);
  }

  /** Ends the agent, which then starts again. Resolves when the old one is gone. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const running = this.#process;
    running?.signal(signal);
    await running?.exited;
  }

  /** What the agent printed in its whole life, parsed; lines that are no JSON become `{message}`. */
  async log(): Promise<Record<string, unknown>[]> {
    const text = await readFile(this.#logFile, 'utf8').catch(() => '');
    const lines = text.split('\n').filter(line => line !== '');
    return lines.map(line => (line.startsWith('{') ? JSON.parse(line) : { message: line }));
  }

  get #logFile(): string {
    return join(this.#place.dir, 'agent.log');
  }

  #start(): void {
    if (this.#process !== undefined || this.#identity === undefined) return;
    const start: AgentStart = {
      ...this.#identity,
      nodeName: this.#place.nodeName,
      configFile: this.#place.configFile,
      logFile: this.#logFile,
      env: this.powerCut === undefined ? {} : powerCutEnv(this.#place.dir, this.powerCut),
    };
    this.#process = startAgentProcess(start);
    void this.#process.exited.then(() => this.#afterExit());
  }

  async #afterExit(): Promise<void> {
    this.#process = undefined;
    if (this.powerCut !== undefined && (await powerCutHappened(this.#place.dir))) {
      this.powerCut = undefined;
      this.#isOn = false;
      this.onPowerCut();
      return;
    }
    if (!this.#isOn || !this.restarts) return;
    await delay(this.#restartDelayMs, undefined, { ref: false });
    this.#restartDelayMs = Math.min(this.#restartDelayMs * 2, RESTART_MS.last);
    if (this.#isOn) this.#start();
  }
}
