import { stripVTControlCharacters } from 'node:util';
import { eventually } from '../../env/wait.ts';

/** A serial console: what the machine wrote since it was first switched on, and a keyboard. */
export interface Console {
  /** Everything, over all boots, without control sequences. */
  readonly text: string;
  /** Length of `text` now: what comes later is looked for from here. */
  readonly mark: number;
  type(keys: string): void;
  /** Waits until the text from `from` on (default: all) matches, and resolves to the match. */
  untilSeen(
    pattern: RegExp,
    options?: { readonly from?: number; readonly timeoutMs?: number },
  ): Promise<RegExpExecArray>;
}

/** The console of a machine whose emulator comes and goes. */
export interface ConsoleLine extends Console {
  write(chunk: string): void;
  setKeyboard(type: (keys: string) => void): void;
}

const PATIENCE_MS = 120_000;

/** Makes a console. */
export function createConsole(name: string): ConsoleLine {
  let raw = '';
  let clean = '';
  let keyboard: (keys: string) => void = () => undefined;
  const text = (): string => {
    if (raw !== '') {
      // A sequence may be cut in two: the last line waits for its rest.
      const end = raw.lastIndexOf('\n') + 1 || (raw.includes('\u001b') ? 0 : raw.length);
      clean += stripVTControlCharacters(raw.slice(0, end)).replaceAll('\r', '');
      raw = raw.slice(end);
    }
    return clean + stripVTControlCharacters(raw).replaceAll('\r', '');
  };
  return {
    get text() {
      return text();
    },
    get mark() {
      return text().length;
    },
    write: chunk => {
      raw += chunk;
    },
    setKeyboard: type => {
      keyboard = type;
    },
    type: keys => keyboard(keys),
    untilSeen: (pattern, { from = 0, timeoutMs = PATIENCE_MS } = {}) =>
      eventually(() => pattern.exec(text().slice(from)) ?? undefined, {
        timeoutMs,
        what: `${name} shows ${pattern} on its console`,
      }).catch((error: unknown) => {
        throw new Error(`${String(error)}\nits console ends with:\n${tailOf(text().slice(from))}`);
      }),
  };
}

/** The last lines of a console, for error messages. */
export const tailOf = (text: string, lines = 30): string =>
  text.trimEnd().split('\n').slice(-lines).join('\n');
