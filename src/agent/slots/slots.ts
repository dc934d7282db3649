import type { Logger } from 'winston';
import type { SlotName } from '../../api/monok8s/index.ts';
import { StalledError } from '../../domain/errors.ts';
import type { AgentConfig } from '../config.ts';
import { hostPath } from '../host/host-path.ts';
import { destroySuperblock, readSuperblock } from '../install/superblock-io.ts';
import type { OsRelease, SlotFacts, SlotLayout, Slots } from '../ports.ts';
import { assertOnRootDisk, assertUnused } from './assert-writable.ts';
import { findBootedSlot } from './booted-slot.ts';
import { blockDeviceBytes, isSameNode, type SlotNode, statSlot } from './device.ts';
import { holdSlot } from './exclusive.ts';
import { existsInside, readFileInside } from './file-system.ts';
import { type FoundSlots, findSlots } from './find-slots.ts';
import { OS_RELEASE_FILES, parseOsRelease } from './os-release.ts';
import { readRunningOsRelease } from './running-os-release.ts';

type SlotsConfig = Pick<AgentConfig, 'hostRoot' | 'slots'>;
type Nodes = Readonly<Record<SlotName, SlotNode>>;

/** Remembers what a slot's system called itself, so that looking again costs no process. */
type Cache = Map<string, OsRelease | undefined>;

/** The two slots of the host. */
export function createSlots(config: SlotsConfig, log: Logger): Slots {
  const cache: Cache = new Map();
  const locate = async (): Promise<FoundSlots & { nodes: Nodes }> => {
    const found = await findSlots(config);
    return { ...found, nodes: await statBoth(config.hostRoot, found) };
  };
  return {
    inspect: async () => {
      const { paths, nodes } = await locate();
      const booted = await findBootedSlot(config.hostRoot, paths, nodes);
      const layout = { booted, A: await factsOf('A', nodes.A, cache), B: await factsOf('B', nodes.B, cache) };
      const running = await readRunningOsRelease(config.hostRoot);
      return running === undefined
        ? layout
        : ({ ...layout, [booted]: { ...layout[booted], osRelease: running } } satisfies SlotLayout);
    },
    assertWritable: async slot => {
      const { paths, nodes, isConfigured } = await locate();
      if ((await findBootedSlot(config.hostRoot, paths, nodes)) === slot) throw running(slot);
      await assertUnused(nodes[slot], config.hostRoot);
      if (!isConfigured) await assertOnRootDisk(nodes[slot], config.hostRoot);
    },
    missingFiles: async (slot, files) => {
      const { path } = (await locate()).nodes[slot];
      const missing: string[] = [];
      for (const file of files) if (!(await existsInside(path, file))) missing.push(file);
      return missing;
    },
    destroySuperblock: async slot => {
      const { paths, nodes } = await locate();
      if ((await findBootedSlot(config.hostRoot, paths, nodes)) === slot) throw running(slot);
      await assertUnused(nodes[slot], config.hostRoot);
      const held = await holdSlot(nodes[slot].path);
      try {
        await destroySuperblock(held.handle);
      } finally {
        await held.release();
      }
      log.info('superblock of the slot destroyed', { slot });
    },
  };
}

const running = (slot: SlotName): StalledError =>
  new StalledError(
    'SlotRunning',
    `slot ${slot} is the one that the system runs from, so it is not overwritten`,
  );

async function statBoth(hostRoot: string, { paths }: FoundSlots): Promise<Nodes> {
  const look = async (name: SlotName): Promise<SlotNode> => {
    const path = hostPath(hostRoot, paths[name]);
    const node = await statSlot(path);
    if (node !== undefined) return node;
    throw new StalledError(
      'SlotNotFound',
      `slot ${name} (${path}) is no block device and no plain file: correct slots in the agent's configuration`,
    );
  };
  const nodes = { A: await look('A'), B: await look('B') };
  if (!isSameNode(nodes.A, nodes.B)) return nodes;
  throw new StalledError(
    'SlotCountUnsupported',
    `the slots A and B are the same device (${nodes.A.path}, ${nodes.B.path}): there must be two`,
  );
}

async function factsOf(name: SlotName, node: SlotNode, cache: Cache): Promise<SlotFacts> {
  const { hash, isExt4 } = await readSuperblock(node.path);
  const key = `${node.path} ${hash} ${node.mtimeMs}`;
  if (!cache.has(key)) {
    for (const old of cache.keys()) if (old.startsWith(`${node.path} `)) cache.delete(old);
    cache.set(key, isExt4 ? await readOsRelease(node.path) : undefined);
  }
  const osRelease = cache.get(key);
  return {
    name,
    path: node.path,
    sizeBytes: node.kind === 'file' ? node.fileBytes : await blockDeviceBytes(node.device),
    superblockHash: hash,
    ...(osRelease === undefined ? {} : { osRelease }),
  };
}

async function readOsRelease(path: string): Promise<OsRelease | undefined> {
  for (const file of OS_RELEASE_FILES) {
    const text = await readFileInside(path, file);
    if (text !== undefined) return parseOsRelease(text);
  }
  return undefined;
}
