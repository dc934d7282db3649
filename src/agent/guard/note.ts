import { z } from 'zod';
import { SlotName } from '../../api/monok8s/index.ts';

/** What a guard left in the state folder before it rebooted the machine. */
export interface GuardNote {
  readonly slot: SlotName;
  /** Of the boot that it ended. */
  readonly bootId: string;
  readonly uptimeSeconds: number;
  /** Its clock then, in seconds since 1970; undefined where it is not told. */
  readonly clockSeconds?: number;
  /** A network interface that was up, or `none`; empty where it is not told. */
  readonly network: string;
  /** What systemd said of itself and of the services that a node needs; empty where it did not answer. */
  readonly system: string;
  readonly kubelet: string;
  readonly containerd: string;
  readonly failedUnits: readonly string[];
  /** What its start still waited for. */
  readonly runningJobs: readonly string[];
}

/** More than this of a note is not looked at. */
export const NOTE_LIMIT_BYTES = 8192;
const FIRST_LINE = 'twinslot-trial-guard 1';
const WORD_LIMIT = 80;
const MAX_UNITS = 8;
/** The last second of the year 9999. */
const MAX_CLOCK_SECONDS = 253_402_300_799;

/** Reads a note; undefined for what is none. It was written by a system that may be broken: nothing in it is trusted. */
export function parseGuardNote(text: string): GuardNote | undefined {
  const [first, ...lines] = text.slice(0, NOTE_LIMIT_BYTES).split('\n');
  if (first !== FIRST_LINE) return undefined;
  const pairs = lines.map(line => line.split(' ')).map(([key = '', word = '']) => [key, printable(word)]);
  const wordOf = (wanted: string): string => pairs.find(([key]) => key === wanted)?.[1] ?? '';
  const slot = SlotName.safeParse(wordOf('slot'));
  const clock = z.coerce.number().min(1).max(MAX_CLOCK_SECONDS).safeParse(wordOf('clock'));
  const wordsOf = (wanted: string): string[] =>
    pairs.flatMap(([key, word = '']) => (key === wanted && word !== '' ? [word] : [])).slice(0, MAX_UNITS);
  const uptime = z.coerce.number().min(0).safeParse(wordOf('uptime'));
  if (!slot.success) return undefined;
  return {
    slot: slot.data,
    bootId: wordOf('boot'),
    uptimeSeconds: uptime.data ?? 0,
    ...(clock.success && { clockSeconds: clock.data }),
    network: wordOf('network'),
    system: wordOf('system'),
    kubelet: wordOf('kubelet'),
    containerd: wordOf('containerd'),
    failedUnits: wordsOf('failed'),
    runningJobs: wordsOf('job'),
  };
}

const printable = (word: string): string => word.replaceAll(/[^\x21-\x7e]/g, '').slice(0, WORD_LIMIT);

/** The note in words, for a status. */
export function describeNote(note: GuardNote): string {
  const { uptimeSeconds, system, kubelet, containerd, network, failedUnits, runningJobs } = note;
  const facts = [
    system === 'maintenance' && 'it was in emergency or rescue mode',
    system !== '' && system !== 'maintenance' && `systemd was "${system}"`,
    system === '' && 'systemd did not answer',
    runningJobs.length > 0 && `its start waited for ${runningJobs.join(', ')}`,
    failedUnits.length > 0 && `failed units: ${failedUnits.join(', ')}`,
    kubelet !== '' && `kubelet ${kubelet}`,
    containerd !== '' && `containerd ${containerd}`,
    network === 'none' && 'no network interface was up',
    note.clockSeconds !== undefined && `its clock said ${clockText(note.clockSeconds)}`,
    isPodToBlame(note) &&
      "if that clock is right and the API server could be reached, the agent's pod did not start there or crashed: " +
        "see the Events and the image of the DaemonSet's pods",
  ].filter(fact => fact !== false);
  return `it ran for ${uptimeSeconds} s without being confirmed, and its guard rebooted the node: ${facts.join('; ')}`;
}

const clockText = (seconds: number): string => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;

/** All that the agent needs seemed to be there. */
const isPodToBlame = ({ kubelet, containerd, network }: GuardNote): boolean =>
  kubelet === 'active' && containerd === 'active' && network !== '' && network !== 'none';
