import type { IncomingMessage, ServerResponse } from 'node:http'
import type { OpenFile } from './open.ts'
import { answerFor } from './range.ts'

/** `bytes`: how many of the body's the system took; `complete`: whether that is all that was promised. */
export type Sent = { status: number; bytes: number; complete: boolean }

const chunkBytes = 1024 * 1024
const chunksInFlight = 3

/**
 * Answers GET or HEAD with `file`, whole or one range of it, at the speed of its reader: three chunks are in memory at
 * most. Ends early, with the connection cut so that the reader notices, when the client goes away or the file turns
 * out shorter than it was. Does not close `file`.
 */
export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: OpenFile,
  contentType: string,
): Promise<Sent> {
  const facts = {
    size: file.size,
    etag: `"${file.size.toString(16)}-${Math.floor(file.modified).toString(16)}"`,
    lastModified: new Date(file.modified).toUTCString(),
  }
  const { range, 'if-none-match': ifNoneMatch } = request.headers
  const ifRange = request.headers['if-range']
  const answer = answerFor({ range, 'if-range': ifRange?.toString(), 'if-none-match': ifNoneMatch }, facts)
  const closed = new Promise<void>((resolve) => response.once('close', resolve))
  if (response.destroyed) return { status: answer.status, bytes: 0, complete: false }
  const type = answer.status === 304 || answer.status === 416 ? {} : { 'content-type': contentType }
  response.writeHead(answer.status, { ...answer.headers, ...type })
  const promised = 'start' in answer && request.method !== 'HEAD' ? answer.end - answer.start + 1 : 0
  const bytes = promised > 0 && 'start' in answer ? await pump(file, response, answer.start, promised) : 0
  if (bytes === promised) response.end()
  await closed
  return { status: answer.status, bytes, complete: bytes === promised }
}

/** @returns how many bytes the system took */
async function pump(
  file: OpenFile,
  response: ServerResponse,
  start: number,
  length: number,
): Promise<number> {
  const ring = bufferRing(response, Math.min(chunkBytes, length))
  let read = 0
  let taken = 0
  while (read < length) {
    const buffer = await ring.take()
    if (!buffer) break
    const bytes = await file.readInto(buffer, start + read, Math.min(buffer.length, length - read))
    if (bytes === 0) {
      response.destroy()
      break
    }
    read += bytes
    response.write(buffer.subarray(0, bytes), (error) => {
      if (!error) taken += bytes
      ring.giveBack(buffer)
    })
  }
  await ring.allBack()
  return taken
}

/** Buffers that are written again only once the system has taken what was in them; no more once the client is gone. */
function bufferRing(response: ServerResponse, bytes: number) {
  const free: Buffer[] = []
  let made = 0
  let gone = response.destroyed
  let wake: (() => void) | undefined
  const stir = () => {
    wake?.()
    wake = undefined
  }
  response.once('close', () => {
    gone = true
    stir()
  })
  const change = () => new Promise<void>((resolve) => (wake = resolve))
  return {
    async take(): Promise<Buffer | undefined> {
      while (!gone) {
        const buffer = free.pop()
        if (buffer) return buffer
        if (made < chunksInFlight) {
          made += 1
          return Buffer.allocUnsafeSlow(bytes)
        }
        await change()
      }
      return undefined
    },
    giveBack(buffer: Buffer): void {
      free.push(buffer)
      stir()
    },
    async allBack(): Promise<void> {
      while (!gone && free.length < made) await change()
    },
  }
}
