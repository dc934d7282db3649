import { StalledError, TransientError } from '../domain/errors.ts';

/** One of several causes that a `Status` names. Empty texts for what it does not say. */
export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

/** What the API server said about a call that failed. It is the `cause` of the error that the caller sees. */
export class ApiStatusError extends Error {
  override readonly name = 'ApiStatusError';
  readonly code: number;
  /** The API server's own word, for example `NotFound`. */
  readonly reason: string;
  readonly causes: readonly StatusCause[];
  /** False when the path itself is unknown, so that even the kind is not there. */
  readonly isStatus: boolean;

  constructor(status: ParsedStatus) {
    super(status.message);
    this.code = status.code;
    this.reason = status.reason;
    this.causes = status.causes;
    this.isStatus = status.isStatus;
  }
}

/** A failed answer, read leniently. */
export interface ParsedStatus {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly causes: readonly StatusCause[];
  readonly isStatus: boolean;
}

const REASONS = new Map([
  [400, 'BadRequest'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'NotFound'],
  [405, 'MethodNotAllowed'],
  [409, 'Conflict'],
  [410, 'Expired'],
  [415, 'UnsupportedMediaType'],
  [422, 'Invalid'],
  [429, 'TooManyRequests'],
  [500, 'InternalError'],
  [503, 'ServiceUnavailable'],
  [504, 'Timeout'],
]);

const MAX_MESSAGE_CHARS = 2048;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const textIn = (value: unknown, otherwise: string): string =>
  typeof value === 'string' && value !== '' ? value : otherwise;

/** Reads a `Status` object, or makes the best of whatever else came with an HTTP code. */
export function parseStatus(httpCode: number, body: unknown): ParsedStatus {
  const status = isRecord(body) && body.kind === 'Status' ? body : undefined;
  const code = typeof status?.code === 'number' && status.code > 0 ? status.code : httpCode;
  const fallback = typeof body === 'string' ? body.trim() : '';
  const details = isRecord(status?.details) ? status.details : {};
  const causes = Array.isArray(details.causes) ? details.causes.filter(isRecord) : [];
  return {
    code,
    reason: textIn(status?.reason, REASONS.get(code) ?? `Http${code}`),
    message: textIn(status?.message, fallback || `HTTP ${code}`).slice(0, MAX_MESSAGE_CHARS),
    causes: causes.map(({ reason, message, field }) => ({
      reason: textIn(reason, ''),
      message: textIn(message, ''),
      field: textIn(field, ''),
    })),
    isStatus: status !== undefined,
  };
}

const isTransientCode = ({ code, reason }: ParsedStatus): boolean =>
  code === 401 ||
  code === 408 ||
  code === 410 ||
  code === 429 ||
  code >= 500 ||
  (code === 409 && reason !== 'AlreadyExists');

/**
 * Turns a failed answer into the error that callers see.
 * @param what the call in words, for example `patch osupgrades/a`
 */
export function toError(what: string, status: ParsedStatus): TransientError | StalledError {
  const cause = new ApiStatusError(status);
  const message = `${what}: ${explain(status)}`;
  return isTransientCode(status)
    ? new TransientError(status.reason, message, { cause })
    : new StalledError(status.reason, message, { cause });
}

function explain(status: ParsedStatus): string {
  if (status.code === 401)
    return `the API server does not accept our credentials (${status.message}): check the token or certificate`;
  if (status.code === 404 && !status.isStatus)
    return `${status.message}: the API server does not know this kind; install it with ctl create crds | kubectl apply -f -`;
  return status.message;
}

/** The API server's answer behind an error, if it gave one. */
export const statusOf = (error: unknown): ApiStatusError | undefined =>
  error instanceof Error && error.cause instanceof ApiStatusError ? error.cause : undefined;

/** A resource version or a continue token that is too old: list again. */
export function isExpired(error: unknown): boolean {
  const status = statusOf(error);
  if (!status) return false;
  // An API server that came back with less history than it had knows no such future version either.
  return status.code === 410 || status.causes.some(c => c.reason === 'ResourceVersionTooLarge');
}
