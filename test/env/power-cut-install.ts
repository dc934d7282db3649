import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { FollowedCalls } from './power-cut-calls.ts';
import { pathOfFd } from './power-cut-journal.ts';

type Call = (...args: unknown[]) => unknown;

const FOLLOWED = [
  ...['write', 'writev', 'fsync', 'fdatasync', 'ftruncate', 'truncate', 'open', 'writeFile', 'appendFile'],
  ...['rename', 'unlink', 'rm', 'mkdir'],
];
const REFUSED = ['copyFile', 'cp', 'link', 'symlink', 'rmdir', 'mkdtemp'];
const HANDLE_METHODS = {
  write: 'write',
  writev: 'writev',
  writeFile: 'writeFile',
  appendFile: 'writeFile',
  truncate: 'ftruncate',
  sync: 'fsync',
  datasync: 'fdatasync',
};

/**
 * Puts followed calls in the place of those of `node:fs`, in all three styles, and of file handles, for files whose
 * paths `isInside` accepts. Asynchronous ones are done synchronously, so that nothing is in flight when power fails;
 * calls that cannot be followed are refused rather than overlooked.
 */
export async function installCalls(calls: FollowedCalls, isInside: (path: string) => boolean): Promise<void> {
  const concerns = (target: unknown): boolean => {
    const path = typeof target === 'number' ? pathOfFd(target) : target;
    return typeof path === 'string' && isInside(path);
  };
  const openHandle = fs.promises.open;
  for (const name of FOLLOWED) installCall(name, boundTo(calls, name), concerns);
  for (const name of REFUSED) refuse(name, concerns);
  fs.promises.open = async (path, flags = 'r', mode = undefined) =>
    typeof path === 'string' && concerns(path)
      ? openHandle(path, calls.prepareOpen(path, flags, numberOr(mode, 0o666)), mode)
      : openHandle(path, flags, mode);
  await installHandleMethods(calls, openHandle, concerns);
  syncBuiltinESMExports();
}

type Concerns = (target: unknown) => boolean;

const numberOr = (value: unknown, otherwise: number): number =>
  typeof value === 'number' ? value : otherwise;

const boundTo = (target: object, name: string): Call => {
  const method = Reflect.get(target, name);
  return (...args) => Reflect.apply(method, target, args);
};

/** Replaces a function of `target`, if there is one of the name. */
function replace(target: object, name: string, wrap: (untouched: Call) => Call): void {
  if (Reflect.has(target, name)) Reflect.set(target, name, wrap(boundTo(target, name)));
}

function installCall(name: string, call: Call, concerns: Concerns): void {
  replace(
    fs,
    `${name}Sync`,
    untouched =>
      (...args) =>
        concerns(args[0]) ? call(...args) : untouched(...args),
  );
  replace(fs, name, untouched => (...args) => {
    if (!concerns(args[0])) return untouched(...args);
    const done = args.pop();
    if (typeof done !== 'function') throw new TypeError(`fs.${name} needs a callback`);
    try {
      process.nextTick(done, null, call(...args), args[1]);
    } catch (error) {
      process.nextTick(done, error);
    }
    return undefined;
  });
  replace(fs.promises, name, untouched => async (target, ...rest) => {
    const fd = typeof target === 'object' && target !== null ? Reflect.get(target, 'fd') : undefined;
    return concerns(fd ?? target) ? call(fd ?? target, ...rest) : untouched(target, ...rest);
  });
}

function refuse(name: string, concerns: Concerns): void {
  const wrap =
    (untouched: Call): Call =>
    (...args) => {
      if (concerns(args[0]) || concerns(args[1])) throw new Error(`the power cut cannot follow fs.${name}`);
      return untouched(...args);
    };
  for (const [target, key] of [
    [fs, name],
    [fs, `${name}Sync`],
    [fs.promises, name],
  ] as const) {
    replace(target, key, wrap);
  }
}

async function installHandleMethods(
  calls: FollowedCalls,
  openHandle: typeof fs.promises.open,
  concerns: Concerns,
): Promise<void> {
  const handle = await openHandle('/dev/null');
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  for (const [method, name] of Object.entries(HANDLE_METHODS)) {
    const untouched = Reflect.get(prototype, method);
    const call = boundTo(calls, name);
    Reflect.set(prototype, method, async function (this: fs.promises.FileHandle, ...args: unknown[]) {
      if (!concerns(this.fd)) return Reflect.apply(untouched, this, args);
      const bytesWritten = call(this.fd, ...args);
      if (method === 'write') return { bytesWritten, buffer: args[0] };
      return method === 'writev' ? { bytesWritten, buffers: args[0] } : undefined;
    });
  }
}
