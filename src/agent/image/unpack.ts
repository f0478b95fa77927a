import { spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
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

/** Node's gunzip goes on to further members of the file and reports a missing end. */
async function* gunzip(packed: Bytes, signal: AbortSignal): Bytes {
  const unpacker = createGunzip({ chunkSize: 1 << 20 })
  let fault: unknown
  const feeding = pipeline(Readable.from(packed, { objectMode: true, highWaterMark: 4 }), unpacker, {
    signal,
  }).catch((error: unknown) => (fault = error))
  try {
    yield* unpacker as Bytes
    await feeding
  } catch (error) {
    await feeding
    fault ??= error
  } finally {
    unpacker.destroy()
  }
  if (fault !== undefined) throw damaged('gzip', fault)
}

/** Errors of the source go on as they are; errors of the unpacker say what was being unpacked. */
function damaged(format: string, fault: unknown): unknown {
  const code = fault instanceof Error && 'code' in fault ? String(fault.code) : ''
  if (!code.startsWith('Z_')) return fault
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
