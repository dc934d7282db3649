import { createBootLoader } from '../agent/boot/create-boot-loader.ts';
import type { AgentConfig } from '../agent/config.ts';
import { checkFlash, type Flashed, type FlashParts, flash } from '../agent/flash/flash.ts';
import { createTrialGuard } from '../agent/guard/trial-guard.ts';
import { hostPath } from '../agent/host/host-path.ts';
import { imageInvalid } from '../agent/install/image-format.ts';
import type { SlotFacts } from '../agent/ports.ts';
import { createSlots } from '../agent/slots/slots.ts';
import { openState } from '../agent/state.ts';
import type { SlotName } from '../api/monok8s/index.ts';
import { reasonOf, StalledError } from '../domain/errors.ts';
import { readAgentConfig } from './agent-config.ts';
import { type CliContext, createCliLog, note, print } from './context.ts';
import { UsageError } from './exit.ts';
import { bootAdvice } from './flash-advice.ts';
import { type FlashInput, openInput } from './flash-input.ts';
import { progressBar, progressLines } from './flash-progress.ts';
import { doneLines, failedLine, guardedLine, planLines } from './flash-text.ts';

/** What the command line says. */
export interface FlashFlags {
  readonly slot: SlotName;
  readonly sha256?: string;
  readonly dryRun?: boolean;
  readonly config?: string;
  readonly hostRoot?: string;
}

/** What a plan has where it says nothing else. */
const [STALL_SECONDS, TRIAL_SECONDS] = [600, 900];

/**
 * Writes an image to a slot, or tells what would be written.
 * @throws StalledError as `flash`; `Aborted` when the context's signal came first
 */
export async function runFlash(file: string, flags: FlashFlags, context: CliContext): Promise<void> {
  const checksum = checksumOf(flags.sha256);
  const config = await readAgentConfig(flags.config, flags.hostRoot ?? context.environment.HOST_ROOT);
  const parts = await createParts(config, context);
  const { slot } = flags;
  // Everything that refuses does so before anybody begins to send.
  const { layout } = await checkFlash(parts, slot);
  const { signal } = context;
  const stallMs = (config.stallSeconds ?? STALL_SECONDS) * 1000;
  if (flags.dryRun) {
    const input = file === '-' ? 'standard input' : file;
    for (const line of planLines(layout, slot, { input, config })) print(context, line);
    return print(context, `slot ${slot} may be flashed; nothing was written`);
  }
  const input = await openInput(file, { stallMs, signal });
  try {
    await flashInput({ parts, config, context }, { input, slot, checksum });
  } finally {
    input.close();
  }
}

interface Tools {
  readonly parts: FlashParts;
  readonly config: AgentConfig;
  readonly context: CliContext;
}

interface Wanted {
  readonly input: FlashInput;
  readonly slot: SlotName;
  readonly checksum: string | undefined;
}

async function flashInput(tools: Tools, wanted: Wanted): Promise<void> {
  const { parts, config, context } = tools;
  const { slot, input } = wanted;
  const field = config.versionField;
  const before = await parts.slots.inspect();
  for (const line of planLines(before, slot, { input: input.name, config })) note(context, line);
  const staged = await write(tools, wanted, before[slot]).catch(async (error: unknown) => {
    // Somebody else is writing there: what the slot holds now says nothing about us.
    if (reasonOf(error) !== 'SlotBusy') {
      const after = await parts.slots.inspect().catch(() => undefined);
      note(context, `ctl: ${input.bytesCome()} bytes of the input had come`);
      note(context, `ctl: ${failedLine(before[slot], after?.[slot], field)}`);
    }
    throw context.signal.aborted
      ? new StalledError('Aborted', 'ended before it was done', { cause: error })
      : error;
  });
  const facts = (await parts.slots.inspect())[slot];
  for (const line of doneLines(facts, staged, field)) print(context, line);
  await assertBootable(parts, facts);
  for (const line of await bootAdvice(config, slot, before.booted)) print(context, line);
  if (staged.guard.isGuarded) print(context, guardedLine(trialSecondsOf(config)));
  else note(context, `ctl: ${staged.guard.message}`);
}

const trialSecondsOf = (config: AgentConfig): number => config.trialSeconds ?? TRIAL_SECONDS;

async function write({ parts, config, context }: Tools, wanted: Wanted, slot: SlotFacts): Promise<Flashed> {
  const { signal, clock, stderr } = context;
  const { input, checksum } = wanted;
  const view = process.stderr.isTTY ? progressBar(process.stderr, clock) : progressLines(stderr, clock);
  try {
    // The slot is not held before anything comes: the agent may need it, and nobody knows how long the sender takes.
    if ((await input.peek(1)).length === 0) throw imageInvalid('the input is empty', 'see what sends it');
    return await flash(
      parts,
      {
        ...{ slot, source: input.bytes, checksum, totalBytes: input.totalBytes },
        trialSeconds: trialSecondsOf(config),
      },
      { signal, onProgress: progress => view.show(progress), onRetry: () => undefined },
    );
  } finally {
    view.stop();
  }
}

/** What the agent would refuse to boot is told, though it stays where it is. */
async function assertBootable(
  { slots, bootLoader }: FlashParts,
  { name, osRelease }: SlotFacts,
): Promise<void> {
  if (osRelease === undefined)
    throw imageInvalid(
      `slot ${name} was written, but it holds no /etc/os-release`,
      'flash a root file system',
    );
  const missing = await slots.missingFiles(name, await bootLoader.bootFiles(name));
  if (missing.length > 0)
    throw new StalledError(
      'BootFilesMissing',
      `slot ${name} was written, but it lacks ${missing.join(', ')}, which its boot entry loads: do not boot it, ` +
        'flash an image that holds them',
    );
}

async function createParts(config: AgentConfig, { clock }: CliContext): Promise<FlashParts> {
  const log = await createCliLog();
  const state = openState(hostPath(config.hostRoot, config.stateDir), log);
  const [slots, bootLoader] = [createSlots(config, log), createBootLoader(config, log)];
  const { hostRoot, stateDir } = config;
  const guard = createTrialGuard({ hostRoot, stateDir, bootLoader, slots, log });
  return { slots, bootLoader, state, guard, config, log, clock, random: Math.random };
}

/** With or without `sha256:`. */
function checksumOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  const [, hex] = /^(?:sha256:)?([0-9a-f]{64})$/i.exec(given.trim()) ?? [];
  if (hex === undefined)
    throw new UsageError(`--sha256 "${given}" is not 64 hexadecimal digits: sha256sum FILE prints them`);
  return `sha256:${hex.toLowerCase()}`;
}
