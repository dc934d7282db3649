/** What winston hands to a transport. */
export interface LogInfo {
  readonly level: string;
  readonly message: unknown;
  readonly [field: string]: unknown;
}

/** Numbers of the levels. @source RFC 5424, table 2 */
const SEVERITIES = new Map([
  ['error', 3],
  ['warn', 4],
  ['info', 6],
]);
const DEBUG = 7;
/** A system logger may cut longer ones. */
const MAX_CHARS = 4_000;

/**
 * One line for a system logger: `<6>reason: message key=value`, with the severity that both journald and logger(1)
 * read in front. Nothing in it ends the line, and no address shows what may be secret.
 */
export function toLogLine({ level, message, reason, timestamp: _, ...fields }: LogInfo): string {
  const said = reason === undefined ? String(message) : `${reason}: ${message}`;
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${valueText(value)}`);
  const text = withoutSecrets([said, ...pairs].join(' ')).replaceAll(/\p{Cc}+/gu, ' ');
  const cut = text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text;
  return `<${SEVERITIES.get(level) ?? DEBUG}>${cut}\n`;
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value) ?? String(value);
}

const withoutSecrets = (text: string): string =>
  text
    .replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s"/@]*@/gi, '$1')
    .replaceAll(/(\bhttps?:\/\/[^\s"?]+)\?[^\s"]*/gi, '$1')
    .replaceAll(/\b(Bearer|Basic)\s+[\w.~+/-]+=*/g, '$1 …');
