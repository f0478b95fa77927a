import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Transfer } from './budget.ts'
import type { OpenFile } from './open.ts'
import { loadPourer } from './pour.ts'
import type { Pourer } from './pour.ts'
import { answerFor } from './range.ts'
import type { Allowance } from './rate.ts'

/** `bytes`: how many of the body's the system took; `complete`: whether that is all that was promised. */
export type Sent = { status: number; bytes: number; complete: boolean }

/** What a body passes before it is sent. */
export type Gate = {
  /** @param bytes of it */
  enter(bytes: number): Transfer
  /** called when a transfer that had to wait has its turn */
  begins(): void
}

/** The downloads of one server, which share its memory. Without `pourer` all goes through the process. */
export type Downloads = { active: number; pourer?: Pourer }

export const newDownloads = (): Downloads => ({ active: 0, pourer: loadPourer() })

const chunkBytes = { most: 1024 * 1024, least: 16 * 1024 }
const chunksInFlight = 3
/** what is longer is sent by the system as far as it can, but for its last bytes */
const pouredFrom = 1024 * 1024
const leadingBytes = 16 * 1024
/** what a transfer that waits for its turn sends now and then, so that its reader does not give up */
const signOfLife = 1024
/** what a download that starts leaves to the others: each new one gets its share of this */
const sharedBytes = 64 * 1024 * 1024

function chunkOf({ active }: Downloads): number {
  const share = Math.floor(sharedBytes / (chunksInFlight * active))
  return Math.max(chunkBytes.least, Math.min(chunkBytes.most, share))
}

/**
 * Waits until a response is the next one of its connection: a client may send many requests before it reads the first
 * answer, and only the answer that can be sent may hold a file and memory.
 * @returns false when the connection has ended
 */
export function turnOf({ socket }: IncomingMessage, response: ServerResponse): Promise<boolean> {
  if (response.destroyed || socket.destroyed) return Promise.resolve(false)
  if (response.socket) return Promise.resolve(true)
  return new Promise((resolve) => {
    const settle = (isTurn: boolean) => {
      response.off('socket', come)
      socket.off('close', gone)
      resolve(isTurn)
    }
    const come = () => settle(true)
    const gone = () => settle(false)
    response.on('socket', come)
    socket.on('close', gone)
  })
}

/**
 * Answers GET or HEAD with `file`, whole or one range of it, at the speed of its reader: what passes through the
 * process is three chunks in memory at most, smaller ones the more downloads there are. Ends early, with the connection cut so that the reader notices, when
 * the client goes away or the file is not what it was at the start. Does not close `file`.
 */
export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: OpenFile,
  contentType: string,
  downloads: Downloads = { active: 0 },
  gate?: Gate,
): Promise<Sent> {
  const facts = {
    size: file.size,
    etag: `"${file.version}"`,
    lastModified: new Date(file.modified).toUTCString(),
  }
  const method = request.method === 'HEAD' ? 'HEAD' : 'GET'
  const { 'if-range': ifRange, ...fields } = request.headers
  const answer = answerFor({ ...fields, 'if-range': ifRange?.toString(), method }, facts)
  const closed = new Promise<void>((resolve) => response.once('close', resolve))
  if (response.destroyed) return { status: answer.status, bytes: 0, complete: false }
  const type = 'start' in answer ? { 'content-type': contentType } : {}
  response.writeHead(answer.status, { ...answer.headers, ...type })
  const promised = 'start' in answer && method === 'GET' ? answer.end - answer.start + 1 : 0
  downloads.active += 1
  const transfer = promised > 0 ? gate?.enter(promised) : undefined
  const leave = () => transfer?.leave()
  response.once('close', leave)
  try {
    const chunk = Math.min(chunkOf(downloads), promised)
    let bytes = 0
    if (promised > 0 && 'start' in answer) {
      if (transfer?.isItsTurn() === false) {
        response.flushHeaders()
        bytes = await waitForTurn(file, response, answer.start, promised, transfer)
        gate?.begins()
      }
      const { allowance } = transfer ?? {}
      const stretch = () => ({ start: answer.start + bytes, length: promised - bytes, allowance })
      bytes += await pourMost(file, response, stretch(), downloads)
      bytes += await pump(file, response, stretch(), chunk)
    }
    leave()
    if (bytes === promised) response.end()
    await closed
    return { status: answer.status, bytes, complete: bytes === promised }
  } finally {
    leave()
    downloads.active -= 1
  }
}

/** @returns how many bytes the system took meanwhile, never the last ones */
async function waitForTurn(
  file: OpenFile,
  response: ServerResponse,
  start: number,
  length: number,
  transfer: Transfer,
): Promise<number> {
  let bytes = 0
  while (!transfer.isItsTurn() && !response.destroyed) {
    await transfer.turn()
    const sign = Math.min(signOfLife, length - bytes - chunkBytes.least)
    if (transfer.isItsTurn() || response.destroyed || sign <= 0) continue
    bytes += await pump(file, response, { start: start + bytes, length: sign }, sign)
  }
  return bytes
}

/** Bytes of a file, and what holds them back. */
type Stretch = { start: number; length: number; allowance?: Allowance | undefined }

/** @returns how many bytes the system took; some of the last ones are left */
async function pourMost(
  file: OpenFile,
  response: ServerResponse,
  { start, length, allowance }: Stretch,
  { pourer }: Downloads,
): Promise<number> {
  if (!pourer || file.number === undefined || length < pouredFrom) return 0
  // once the system has taken these, nothing that was written before is left with Node
  let bytes = await pump(file, response, { start, length: leadingBytes, allowance }, leadingBytes)
  const end = length - chunkBytes.least
  for (let goesOn = bytes > 0; goesOn && bytes < end;) {
    const most = allowance ? await allowance.take(end - bytes) : end - bytes
    const sent = most > 0 ? await pourer.pour(response, file.number, start + bytes, most) : 0
    allowance?.giveBack(most - sent)
    bytes += sent
    goesOn = most > 0 && sent === most
  }
  return bytes
}

/** @returns how many bytes the system took */
async function pump(
  file: OpenFile,
  response: ServerResponse,
  { start, length, allowance }: Stretch,
  chunk: number,
): Promise<number> {
  const ring = bufferRing(response, chunk)
  let read = 0
  let taken = 0
  while (read < length) {
    const buffer = await ring.take()
    if (!buffer) break
    const most = Math.min(buffer.length, length - read)
    const allowed = allowance ? await allowance.take(most) : most
    if (allowed === 0) break
    const bytes = await file.readInto(buffer, start + read, allowed)
    allowance?.giveBack(allowed - bytes)
    read += bytes
    // the last bytes are held back until it is known that all of them are of one file
    if (bytes === 0 || (read === length && !(await file.isUnchanged(start + read)))) {
      response.destroy()
      break
    }
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
