/**
 * Every failure that crosses a part's border: a code from this one table. Edges read the table; no other part knows
 * HTTP or gRPC numbers. gRPC numbers are those of google.rpc.Code, HTTP numbers those Kubernetes uses for the reason.
 */
export const errorCodes = {
  BadRequest: { http: 400, grpc: 3 },
  Unauthorized: { http: 401, grpc: 16 },
  Forbidden: { http: 403, grpc: 7 },
  NotFound: { http: 404, grpc: 5 },
  MethodNotAllowed: { http: 405, grpc: 12 },
  NotAcceptable: { http: 406, grpc: 3 },
  AlreadyExists: { http: 409, grpc: 6 },
  Conflict: { http: 409, grpc: 10 },
  Expired: { http: 410, grpc: 11 },
  TooLarge: { http: 413, grpc: 8 },
  UnsupportedMediaType: { http: 415, grpc: 3 },
  RangeNotSatisfiable: { http: 416, grpc: 11 },
  Invalid: { http: 422, grpc: 3 },
  FailedPrecondition: { http: 412, grpc: 9 },
  Internal: { http: 500, grpc: 13 },
  Unavailable: { http: 503, grpc: 14 },
  Timeout: { http: 504, grpc: 4 },
} as const satisfies Record<string, { http: number; grpc: number }>

export type ErrorCode = keyof typeof errorCodes

/** One fault inside a document: where, what was found, what was expected. */
export type Fault = { path: string; message: string }

/** A failure with a code; the message says what failed, the value, and what was expected. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly faults: readonly Fault[]

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; faults?: readonly Fault[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.faults = options.faults ?? []
  }
}

/** Whether `error` is an AppError of one of `codes`. */
export function isCode(error: unknown, ...codes: ErrorCode[]): error is AppError {
  return error instanceof AppError && codes.includes(error.code)
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
