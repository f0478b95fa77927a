import { AppError, errorCodes } from '../model/error.ts'
import type { ErrorCode } from '../model/error.ts'

/** The failure that an answer of 300 and above stands for. */
export function failureOf({ status, json }: { status: number; json: unknown }): AppError {
  const { reason, message } = (typeof json === 'object' && json !== null ? json : {}) as Record<
    string,
    unknown
  >
  const codes = Object.keys(errorCodes) as ErrorCode[]
  const code =
    codes.find((name) => name === reason) ??
    codes.find((name) => errorCodes[name].http === status) ??
    'Internal'
  const text = typeof message === 'string' && message !== '' ? message : `the server answered ${status}`
  return new AppError(code, text)
}
