import { readFile } from 'node:fs/promises';
import type { Logger } from 'winston';
import type { SlotName } from '../../api/monok8s/index.ts';
import { StalledError } from '../../domain/errors.ts';
import type { AgentConfig } from '../config.ts';
import { hostPath } from '../host/host-path.ts';
import type { BootLoader, BootState, DefaultCheck } from '../ports.ts';
import { statSlot } from '../slots/device.ts';
import { locateOnDisk } from '../slots/on-disk.ts';
import type { GrubSettings } from './boot-loader-settings.ts';
import { findWriteObstacle } from './can-write.ts';
import { assertChangeable, changeEnvironment, readEnvironment } from './environment-file.ts';
import { findGrubFiles, type GrubFiles } from './find-grub.ts';
import { findEntry, lacksForTrial, type MenuEntry, parseMenuEntries } from './grub-cfg.ts';

type GrubConfig = Pick<AgentConfig, 'hostRoot' | 'slots'> & { readonly bootLoader: GrubSettings };

const SLOT_NAMES: readonly SlotName[] = ['A', 'B'];

/** GRUB, through its environment block: `saved_entry` is the default, `next_entry` boots once. */
export function createGrub(config: GrubConfig, log: Logger): BootLoader {
  return {
    name: 'grub',
    read: () => read(config),
    assertTrialSupported: async () => {
      const menu = await loadMenu(config);
      // Known now, and not when the node has been drained: every value that will be written fits and may be written.
      for (const changes of [trialOf(config, menu, 'B', 'A'), settledOn(config, 'B'), settledOn(config, 'A')])
        await assertChangeable(menu.files.environment, changes);
      const problem = await trialProblem(config);
      if (problem === undefined) return;
      if (!config.bootLoader.allowPlainSwitch) throw problem;
      log.warn('the boot loader cannot try an entry once; the default will be switched', {
        reason: problem.reason,
        message: problem.message,
      });
    },
    assertFindsNewSystem: async slot => {
      const { entries, files } = await loadMenu(config);
      if (!entries[slot].isRootByUuid) return;
      throw new StalledError(
        'BootLineUnsupported',
        `the entry of slot ${slot} in ${files.config} has root=UUID=, but a new image has another file-system UUID: ` +
          `use root=PARTUUID= or root=LABEL=ROOT-${slot}`,
      );
    },
    armTrial: (slot, fallback) => armTrial(config, slot, fallback),
    settle: slot => settle(config, slot),
    bootFiles: async slot => bootFilesOf(await loadMenu(config), slot),
    describeDefault: slot => describeDefault(config, slot),
  };
}

interface Menu {
  readonly files: GrubFiles;
  readonly text: string;
  readonly entries: Readonly<Record<SlotName, MenuEntry>>;
}

/** Reads grub.cfg and finds the two slots' entries in it. */
async function loadMenu(config: GrubConfig): Promise<Menu> {
  const files = await findGrubFiles(config);
  const text = await readFile(files.config, 'utf8').catch((cause: unknown) => {
    throw new StalledError(
      'BootEnvironmentInvalid',
      `cannot read GRUB's configuration ${files.config}: set bootLoader.config to the active grub.cfg`,
      { cause },
    );
  });
  const all = parseMenuEntries(text);
  const entryOf = (slot: SlotName): MenuEntry => {
    const wanted = config.bootLoader.entries[slot];
    const entry = findEntry(all, wanted);
    if (entry !== undefined) return entry;
    throw new StalledError(
      'BootEnvironmentInvalid',
      `GRUB's configuration ${files.config} has no entry ${JSON.stringify(wanted)} for slot ${slot} ` +
        `(it has ${all.map(e => JSON.stringify(e.title)).join(', ') || 'none'}): ` +
        `set bootLoader.entries.${slot} to its title or id`,
    );
  };
  return { files, text, entries: { A: entryOf('A'), B: entryOf('B') } };
}

/** The slot whose entry a value of the environment means. */
function slotOfValue({ entries }: Menu, value: string): SlotName | undefined {
  const entry = findEntry(Object.values(entries), value);
  return SLOT_NAMES.find(slot => entries[slot] === entry);
}

/** GRUB boots the first entry of its menu when nothing is saved. */
const firstSlot = ({ entries }: Menu): SlotName => (entries.A.index < entries.B.index ? 'A' : 'B');

async function read(config: GrubConfig): Promise<BootState> {
  const menu = await loadMenu(config);
  const environment = await readEnvironment(menu.files.environment);
  const slotOf = (value: string) => slotOfValue(menu, value);
  const saved = environment.get('saved_entry') ?? '';
  const defaultSlot = saved === '' ? firstSlot(menu) : slotOf(saved);
  if (defaultSlot === undefined) throw foreignEntry(menu.files.environment, 'saved_entry', saved);
  const next = environment.get('next_entry') ?? '';
  if (next === '') return { defaultSlot };
  const trialSlot = slotOf(next);
  if (trialSlot === undefined) throw foreignEntry(menu.files.environment, 'next_entry', next);
  return { defaultSlot, trialSlot };
}

const foreignEntry = (path: string, name: string, value: string): StalledError =>
  new StalledError(
    'BootEnvironmentInvalid',
    `${name} in ${path} is ${JSON.stringify(value)}, which is the entry of neither slot: ` +
      `set it with grub-editenv ${path} set ${name}=<A or B>, or correct bootLoader.entries`,
  );

async function trialProblem(config: GrubConfig): Promise<StalledError | undefined> {
  const menu = await loadMenu(config);
  await readEnvironment(menu.files.environment);
  const lacks = lacksForTrial(menu.text);
  if (lacks.length > 0) {
    return new StalledError(
      'TrialBootUnsupported',
      `GRUB's configuration ${menu.files.config} cannot boot an entry once: ${lacks.join('; ')}`,
    );
  }
  return findWriteObstacle(menu.files.environment, !(await areSlotsFiles(config)));
}

async function areSlotsFiles({ hostRoot, slots }: GrubConfig): Promise<boolean> {
  const nodes = await Promise.all(Object.values(slots ?? {}).map(path => statSlot(hostPath(hostRoot, path))));
  return nodes.length > 0 && nodes.every(node => node?.kind === 'file');
}

/** What arms a trial boot of a slot. */
function trialOf(config: GrubConfig, menu: Menu, slot: SlotName, fallback: SlotName): Map<string, string> {
  // GRUB of upstream takes only the place of an entry as fallback; a title works with some distributions' alone.
  return new Map([
    ['next_entry', config.bootLoader.entries[slot]],
    ['fallback', String(menu.entries[fallback].index)],
  ]);
}

/** What makes a slot the default, with nothing armed. */
const settledOn = (config: GrubConfig, slot: SlotName): Map<string, string> =>
  new Map([
    ['saved_entry', config.bootLoader.entries[slot]],
    ['next_entry', ''],
    ['fallback', ''],
  ]);

async function armTrial(config: GrubConfig, slot: SlotName, fallback: SlotName): Promise<void> {
  const menu = await loadMenu(config);
  if ((await trialProblem(config)) === undefined) {
    return changeEnvironment(menu.files.environment, trialOf(config, menu, slot, fallback));
  }
  if (!config.bootLoader.allowPlainSwitch) {
    throw new StalledError('TrialBootUnsupported', 'the boot loader cannot try an entry once');
  }
  return changeEnvironment(
    menu.files.environment,
    new Map([['saved_entry', config.bootLoader.entries[slot]]]),
  );
}

async function settle(config: GrubConfig, slot: SlotName): Promise<void> {
  const menu = await loadMenu(config);
  const old = await readEnvironment(menu.files.environment);
  const changes = settledOn(config, slot);
  // Some distributions' grub.cfg makes this the default again at the next boot.
  if ((old.get('prev_saved_entry') ?? '') !== '') changes.set('prev_saved_entry', '');
  return changeEnvironment(menu.files.environment, changes);
}

function bootFilesOf(menu: Menu, slot: SlotName): string[] {
  const { files, searchLabel } = menu.entries[slot];
  // An entry that searches for another file system has its kernel there, not in the slot.
  const isInSlot = searchLabel === undefined || searchLabel === `ROOT-${slot}`;
  return isInSlot ? [...files] : [];
}

async function describeDefault(config: GrubConfig, slot: SlotName): Promise<DefaultCheck> {
  const menu = await loadMenu(config);
  const { title, id, index } = menu.entries[slot];
  const names = new Set([config.bootLoader.entries[slot], title, id ?? '', String(index)]);
  return {
    type: 'grub',
    environment: await locateOnDisk(config.hostRoot, menu.files.environment),
    // A title may be the number of the other entry.
    values: [...names].filter(name => name !== '' && slotOfValue(menu, name) === slot),
    isFirst: firstSlot(menu) === slot,
  };
}
