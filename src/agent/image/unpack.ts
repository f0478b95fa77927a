import { spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { Gunzip } from 'node:zlib'
import { messageOf } from '../../model/error.ts'
import type { Format } from './format.ts'

type Bytes = AsyncIterable<Uint8Array>

const programs = {
  zstd: ['zstd', '-dcq', '--no-progress'],
  xz: ['xz', '-dcq'],
  bzip2: ['bzip2', '-dc'],
} as const satisfies Partial<Record<Format, readonly string[]>>

/**
 * Unpacks a stream. A truncated or damaged stream throws; it never ends as if it were whole.
 * @param packed bytes as served
 */
export function unpack(format: Format, packed: Bytes, signal: AbortSignal): Bytes {
  if (format === 'raw') return packed
  return format === 'gzip' ? gunzip(packed, signal) : byProgram(programs[format], packed, signal)
}

/**
 * Node's gunzip goes on to further members of the file and reports a missing end. It ends at padding behind the last
 * member; the rest is read all the same, because the checksum is of the whole file.
 */
async function* gunzip(packed: Bytes, signal: AbortSignal): Bytes {
  const unpacker = createGunzip({ chunkSize: 1 << 20 })
  let sourceFault: unknown
  const feeding = feed(packed, unpacker, signal).catch((error: unknown) => {
    sourceFault = error
    unpacker.destroy()
  })
  try {
    yield* unpacker as Bytes
  } catch (error) {
    if (sourceFault === undefined) throw damaged('gzip', error)
  } finally {
    unpacker.destroy()
    await feeding
  }
  if (sourceFault !== undefined) throw sourceFault
}

async function feed(packed: Bytes, unpacker: Gunzip, signal: AbortSignal): Promise<void> {
  let stopped = false
  let wake = () => {}
  for (const event of ['drain', 'end', 'close', 'error']) unpacker.on(event, () => wake())
  unpacker.on('end', () => (stopped = true))
  for await (const chunk of packed) {
    signal.throwIfAborted()
    if (stopped) continue
    if (unpacker.destroyed) return
    const roomAgain = new Promise<void>((resolve) => (wake = resolve))
    if (!unpacker.write(chunk)) await roomAgain
  }
  if (!stopped) unpacker.end()
}

function damaged(format: string, fault: unknown): Error {
  return new Error(`${format} data is damaged or cut off: ${messageOf(fault)}`, { cause: fault })
}

async function* byProgram(
  [program, ...args]: readonly [string, ...string[]],
  packed: Bytes,
  signal: AbortSignal,
): Bytes {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' })
  let said = ''
  child.stdin.on('error', () => undefined)
  child.stderr.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-500)))
  const exit = new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(messageOf(error)))
    child.on('close', (code, by) =>
      resolve(code === 0 ? undefined : said.trim() || `ended with ${code ?? by}`),
    )
  })
  let sourceFault: unknown
  const feeding = pipeline(Readable.from(packed, { objectMode: true, highWaterMark: 4 }), child.stdin).catch(
    (error: unknown) => {
      if (!isClosedPipe(error)) sourceFault = error
    },
  )
  try {
    yield* child.stdout as Bytes
    await feeding
    const fault = await exit
    if (sourceFault !== undefined) throw sourceFault
    if (fault !== undefined) throw new Error(`${program} data is damaged or cut off: ${fault}`)
  } finally {
    child.stdout.destroy()
    child.kill('SIGKILL')
  }
}

/** The program closed its input: its own message says why. */
function isClosedPipe(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET'
}
