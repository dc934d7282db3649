import { z } from 'zod';
import { SlotName } from '../../api/monok8s/index.ts';

/** What a guard left in the state folder before it rebooted the machine. */
export interface GuardNote {
  readonly slot: SlotName;
  /** Of the boot that it ended. */
  readonly bootId: string;
  readonly uptimeSeconds: number;
  /** What systemd said of itself and of the services that a node needs; empty where it did not answer. */
  readonly system: string;
  readonly kubelet: string;
  readonly containerd: string;
  readonly failedUnits: readonly string[];
}

/** More than this of a note is not looked at. */
export const NOTE_LIMIT_BYTES = 8192;
const FIRST_LINE = 'twinslot-trial-guard 1';
const WORD_LIMIT = 80;
const MAX_UNITS = 8;

/** Reads a note; undefined for what is none. It was written by a system that may be broken: nothing in it is trusted. */
export function parseGuardNote(text: string): GuardNote | undefined {
  const [first, ...lines] = text.slice(0, NOTE_LIMIT_BYTES).split('\n');
  if (first !== FIRST_LINE) return undefined;
  const pairs = lines.map(line => line.split(' ')).map(([key = '', word = '']) => [key, printable(word)]);
  const wordOf = (wanted: string): string => pairs.find(([key]) => key === wanted)?.[1] ?? '';
  const slot = SlotName.safeParse(wordOf('slot'));
  const uptime = z.coerce.number().min(0).safeParse(wordOf('uptime'));
  if (!slot.success) return undefined;
  return {
    slot: slot.data,
    bootId: wordOf('boot'),
    uptimeSeconds: uptime.data ?? 0,
    system: wordOf('system'),
    kubelet: wordOf('kubelet'),
    containerd: wordOf('containerd'),
    failedUnits: pairs
      .flatMap(([key, word = '']) => (key === 'failed' && word !== '' ? [word] : []))
      .slice(0, MAX_UNITS),
  };
}

const printable = (word: string): string => word.replaceAll(/[^\x21-\x7e]/g, '').slice(0, WORD_LIMIT);

/** The note in words, for a status. */
export function describeNote(note: GuardNote): string {
  const { uptimeSeconds, system, kubelet, containerd, failedUnits } = note;
  const facts = [
    system === 'maintenance' && 'it was in emergency or rescue mode',
    system !== '' && system !== 'maintenance' && `systemd was "${system}"`,
    system === '' && 'systemd did not answer',
    kubelet !== '' && `kubelet ${kubelet}`,
    containerd !== '' && `containerd ${containerd}`,
    failedUnits.length > 0 && `failed units: ${failedUnits.join(', ')}`,
  ].filter(fact => fact !== false);
  return `it ran for ${uptimeSeconds} s without being confirmed, and its guard rebooted the node: ${facts.join('; ')}`;
}
