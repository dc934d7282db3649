/** One way in that a server offers. */
export interface Challenge {
  /** Lower case: `bearer`, `basic`, … */
  readonly scheme: string;
  /** Names in lower case. */
  readonly params: ReadonlyMap<string, string>;
}

const SCHEME = /\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?=\s|,|$)/y;
const PARAM = /\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/y;
const COMMA = /\s*,/y;

/**
 * Reads `WWW-Authenticate`. What is no challenge ends the reading; what came before it counts.
 * @source RFC 9110, 11.6.1
 */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const texts = header === undefined ? [] : typeof header === 'string' ? [header] : header;
  return texts.flatMap(parseOne);
}

function parseOne(text: string): Challenge[] {
  const found: { scheme: string; params: Map<string, string> }[] = [];
  let at = 0;
  const read = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  while (at < text.length) {
    const param = read(PARAM);
    if (param !== null) {
      const [, name = '', quoted, plain = ''] = param;
      found.at(-1)?.params.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? plain);
    } else if (read(COMMA) === null) {
      const scheme = read(SCHEME)?.[1];
      if (scheme === undefined) break;
      found.push({ scheme: scheme.toLowerCase(), params: new Map() });
    }
  }
  return found;
}
