import { status } from '@grpc/grpc-js'
import { AppError, errorCodes, messageOf } from '../model/error.ts'

/** What ends a call from the server's side: a code of gRPC, and why. */
export class Refusal extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** Anything thrown, as the caller is told. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const code = error instanceof AppError ? errorCodes[error.code].grpc : status.INTERNAL
  return new Refusal(code, messageOf(error))
}
