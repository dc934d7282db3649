import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** The kernel counts processor time in hundredths of a second for programs, whatever it uses itself. */
const TICK_MS = 10;

/** Milliseconds of processor time, user and system, of this process and of the children that it has waited for. */
export function cpuMs(): number {
  const text = readFileSync('/proc/self/stat', 'utf8');
  // After the name, which may hold blanks: field 3 onwards; 14 to 17 are utime, stime, cutime and cstime.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks * TICK_MS;
}

/** Resident memory of a process in MiB: now, and at its highest. */
export function memoryOf(pid: number): { nowMiB: number; peakMiB: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024;
  return { nowMiB: read('VmRSS'), peakMiB: read('VmHWM') };
}

/** The middle of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((left, right) => left - right);
  const half = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[half - 1 + (sorted.length % 2)], sorted[half]];
  return (low + high) / 2;
}

/** Runs a program to its end; resolves to what it printed. @throws Error with its stderr if it fails */
export async function output(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { out: '', err: '' };
  child.stdout.on('data', chunk => {
    text.out += chunk;
  });
  child.stderr.on('data', chunk => {
    text.err += chunk;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ends with ${code}: ${text.err}`);
  return text.out;
}
