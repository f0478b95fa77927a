import { AppError, errorCodes } from '../model/error.ts'
import type { ErrorCode, Fault } from '../model/error.ts'

/** metav1.Status: the body of every failure, and of a successful delete. */
export type Status = {
  kind: 'Status'
  apiVersion: 'v1'
  /** `continue`: where a list that has expired can be gone on with */
  metadata: { continue?: string }
  status: 'Success' | 'Failure'
  message?: string
  reason?: string
  details?: StatusDetails
  code?: number
}

export type StatusDetails = {
  name?: string
  group?: string
  /** plural resource name */
  kind?: string
  uid?: string
  causes?: { reason: string; message: string; field?: string }[]
  retryAfterSeconds?: number
}

/** What a request was about, for the message and the details of its failure. */
export type Subject = { group: string; plural: string; kind: string; name?: string }

/** A failure of which the edge already knows the whole Status. */
export class StatusError extends Error {
  override readonly name = 'StatusError'
  readonly status: Status & { code: number }

  constructor(
    code: number,
    reason: string,
    message: string,
    details?: StatusDetails,
    metadata: Status['metadata'] = {},
  ) {
    super(message)
    this.status = { ...failure(code, reason, message, details), metadata }
  }
}

/** metav1.StatusReason of each code. */
const reasons: Readonly<Record<ErrorCode, string>> = {
  BadRequest: 'BadRequest',
  Unauthorized: 'Unauthorized',
  Forbidden: 'Forbidden',
  NotFound: 'NotFound',
  MethodNotAllowed: 'MethodNotAllowed',
  NotAcceptable: 'NotAcceptable',
  AlreadyExists: 'AlreadyExists',
  Conflict: 'Conflict',
  Expired: 'Expired',
  TooLarge: 'RequestEntityTooLarge',
  UnsupportedMediaType: 'UnsupportedMediaType',
  RangeNotSatisfiable: 'BadRequest',
  Invalid: 'Invalid',
  FailedPrecondition: 'Conflict',
  Internal: 'InternalError',
  Unavailable: 'ServiceUnavailable',
  Timeout: 'Timeout',
}

export function failure(
  code: number,
  reason: string,
  message: string,
  details?: StatusDetails,
): Status & { code: number } {
  const base = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason } as const
  return { ...base, ...(details ? { details } : {}), code }
}

/**
 * The Status that answers `error`, worded as Kubernetes words it. What is not an AppError is an internal error, whose
 * text stays in the log.
 */
export function statusOf(error: unknown, subject?: Subject): Status & { code: number } {
  if (error instanceof StatusError) return error.status
  if (!(error instanceof AppError)) return frameworkStatus(error)
  const code = errorCodes[error.code].http
  const reason = reasons[error.code]
  if (error.code === 'Internal') return failure(code, reason, 'Internal error occurred')
  if (!subject) return failure(code, reason, error.message, detailsOf(error.faults))
  const details = {
    ...(subject.name === undefined ? {} : { name: subject.name }),
    group: subject.group,
    kind: error.code === 'Invalid' ? subject.kind : subject.plural,
    ...causesOf(error.faults),
  }
  return failure(code, reason, worded(error, subject), details)
}

function worded(error: AppError, subject: Subject): string {
  if (error.code !== 'Invalid' || error.faults.length === 0) return error.message
  const faults = error.faults.map(({ path, message }) => (path ? `${path}: ${message}` : message))
  const list = faults.length > 1 ? `[${faults.join(', ')}]` : faults[0]
  const kind = subject.group === '' ? subject.kind : `${subject.kind}.${subject.group}`
  return `${kind} "${subject.name ?? ''}" is invalid: ${list}`
}

function detailsOf(faults: readonly Fault[]): StatusDetails | undefined {
  return faults.length === 0 ? undefined : causesOf(faults)
}

function causesOf(faults: readonly Fault[]): Pick<StatusDetails, 'causes'> {
  if (faults.length === 0) return {}
  return {
    causes: faults.map(({ path, message }) => ({ reason: 'FieldValueInvalid', message, field: path })),
  }
}

/** Failures of the HTTP framework carry a status code of their own. */
function frameworkStatus(error: unknown): Status & { code: number } {
  const code = (error as { statusCode?: unknown }).statusCode
  const message = (error instanceof Error ? error.message : String(error)).slice(0, 500)
  if (code === 400) return failure(400, 'BadRequest', message)
  if (code === 404) return failure(404, 'NotFound', 'the server could not find the requested resource')
  if (code === 413) return failure(413, 'RequestEntityTooLarge', 'Request entity too large: limit is 3145728')
  if (code === 415) return failure(415, 'UnsupportedMediaType', message)
  if (code === 503) return failure(503, 'ServiceUnavailable', message)
  if (typeof code === 'number' && code >= 400 && code < 500) return failure(code, 'BadRequest', message)
  return failure(500, 'InternalError', 'Internal error occurred')
}
