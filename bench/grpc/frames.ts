import type { IncomingHttpHeaders } from 'node:http'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'

/** gRPC over node:http2 without a library in between: five octets before each message (compressed or not, length). */

const headBytes = 5

export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headBytes + message.length)
  frame[0] = 0
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, headBytes)
  return frame
}

/** Hands on each message of a stream as soon as all of it is there. */
export function onMessages(stream: ClientHttp2Stream, take: (message: Buffer) => void): void {
  let rest: Buffer | undefined
  stream.on('data', (chunk: Buffer) => {
    let bytes = rest ? Buffer.concat([rest, chunk]) : chunk
    while (bytes.length >= headBytes) {
      const end = headBytes + bytes.readUInt32BE(1)
      if (bytes.length < end) break
      take(bytes.subarray(headBytes, end))
      bytes = bytes.subarray(end)
    }
    rest = bytes.length > 0 ? bytes : undefined
  })
}

const heads = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' }

export function openCall(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  const stream = session.request({ ...heads, ':path': path }, { endStream: false })
  stream.on('error', () => {})
  return stream
}

/** How a call ended: status of gRPC, and what came before it. */
export type Ended = { code: number; why: string; messages: Buffer[] }

/** A call with one request; its answer may be a stream that ends. */
export function call(session: ClientHttp2Session, path: string, request: Uint8Array): Promise<Ended> {
  const stream = openCall(session, path)
  const messages: Buffer[] = []
  let [code, why] = [2, 'no status']
  const look = (trailers: IncomingHttpHeaders) => {
    if (trailers['grpc-status'] === undefined) return
    code = Number(trailers['grpc-status'])
    why = decodeURIComponent([trailers['grpc-message'] ?? ''].flat().join())
  }
  stream.on('response', look)
  stream.on('trailers', look)
  onMessages(stream, (message) => messages.push(message))
  stream.end(framed(request))
  return new Promise((resolve) => stream.once('close', () => resolve({ code, why, messages })))
}
