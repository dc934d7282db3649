/** What went wrong, as a stable CamelCase word for status, Event and log, and a sentence that tells the way out. */
abstract class ReasonedError extends Error {
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** May work next time: network, 5xx, a conflict. Retried with backoff. */
export class TransientError extends ReasonedError {
  override readonly name = 'TransientError';
}

/** A person has to change the object or the world first. Not retried until then. */
export class StalledError extends ReasonedError {
  override readonly name = 'StalledError';
}

/** A mistake of ours. Stops the work on one object, never the process. */
export class InvariantError extends ReasonedError {
  override readonly name = 'InvariantError';

  constructor(message: string, options?: ErrorOptions) {
    super('Bug', message, options);
  }
}

/** Tells whether trying again, unchanged, can help. Unknown errors count as transient. */
export const isTransient = (error: unknown): boolean =>
  !(error instanceof StalledError || error instanceof InvariantError);

/** The reason word of any error; `Unexpected` for one that is not ours. */
export const reasonOf = (error: unknown): string =>
  error instanceof ReasonedError ? error.reason : 'Unexpected';

/** The text of any error with that of its causes, for a log or a status. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `: ${messageOf(error.cause)}`;
  return error.message.includes(cause.slice(2)) ? error.message : `${error.message}${cause}`;
}

/** Marks the branch of a switch that no value reaches; the compiler checks it. */
export function unreachable(value: never): never {
  throw new InvariantError(`unexpected value ${JSON.stringify(value)}`);
}
