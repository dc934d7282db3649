/** How the server misbehaves about one path. Offsets count in the file, whatever range was asked for. */
export type ServerFault =
  /** The connection ends at this byte, though a longer body was announced. Resuming gets no further. */
  | { readonly kind: 'truncate'; readonly atBytes: number }
  /** Each connection is reset after it has carried so many bytes. */
  | { readonly kind: 'drop'; readonly everyBytes: number; readonly times?: number }
  /** Silence from this byte on, while the connection stays. */
  | { readonly kind: 'stall'; readonly atBytes: number }
  /** An error for the first so many requests. Default: for all. */
  | { readonly kind: 'status'; readonly code: number; readonly times?: number }
  | { readonly kind: 'redirect'; readonly to: string }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** One byte is flipped. */
  | { readonly kind: 'wrongByte'; readonly atBytes: number }
  /** A range is answered with everything. */
  | { readonly kind: 'ignoreRange' }
  /** After so many requests another file, with another ETag, lies at the path. */
  | { readonly kind: 'change'; readonly afterRequests: number; readonly toFile: string };

/** How a body is sent. */
export interface BodyPlan {
  /** The connection is reset before this offset is sent. */
  readonly resetAt?: number;
  /** Nothing more is sent from this offset on. */
  readonly stallAt?: number;
  readonly flipAt?: number;
  readonly bytesPerSecond?: number;
}

/** What the faults of a path mean for a body that starts at `startByte`. `served` counts the requests before this one. */
export function planBody(faults: readonly ServerFault[], startByte: number, served: number): BodyPlan {
  const plans = faults.map((fault): BodyPlan => {
    switch (fault.kind) {
      case 'truncate':
        return { resetAt: fault.atBytes };
      case 'drop':
        return served < (fault.times ?? Number.POSITIVE_INFINITY)
          ? { resetAt: startByte + fault.everyBytes }
          : {};
      case 'stall':
        return { stallAt: fault.atBytes };
      case 'wrongByte':
        return { flipAt: fault.atBytes };
      case 'slow':
        return { bytesPerSecond: fault.bytesPerSecond };
      default:
        return {};
    }
  });
  return Object.assign({}, ...plans);
}
