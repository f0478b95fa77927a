import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { compiled } from '../lib/compiled.ts'
import { anywhere } from '../lib/cores.ts'
import type { Packing } from './image.ts'
import { childrenCpuSeconds } from './usage.ts'
import type { AgentOrder, Written } from './usage.ts'

const run = promisify(execFile)

/** What is to be written where; `sha256` of the unpacked image is to be compared when it is given. */
export type Task = {
  url: string
  packing: Packing
  device: string
  sha256: string | undefined
  folder: string
}

/** image2disk of the agent. @throws Error with what it says when it fails */
export async function writeByAgent({ url, device, sha256, folder }: Task): Promise<Written> {
  const sum = sha256 === undefined ? {} : { UNPACKED_CHECKSUM: `sha256:${sha256}` }
  const order: AgentOrder = {
    environment: { IMG_URL: url, DEST_DISK: device, ...sum },
    folder,
    protoFile: fileURLToPath(new URL('../../proto/ironwake/v1/agent.proto', import.meta.url)),
  }
  const program = [process.execPath, compiled(new URL('agent.ts', import.meta.url)), JSON.stringify(order)]
  const { stdout } = await run(...anywhere(program))
  return JSON.parse(stdout) as Written
}

const unpackers = { raw: undefined, zst: 'zstd -dcq', gz: 'pigz -dc' } as const satisfies Record<
  Packing,
  unknown
>

/** The pipeline as a person would type it, with blocks that suit direct I/O. */
export function pipelineOf(packing: Packing, isSummed: boolean): string {
  const sum = isSummed ? 'tee "$FIFO"' : undefined
  const write = 'dd of="$DEVICE" bs=1M iflag=fullblock oflag=direct conv=fdatasync,notrunc status=none'
  return ['curl -sf "$URL"', unpackers[packing], sum, write].filter((part) => part !== undefined).join(' | ')
}

const script = (packing: Packing, isSummed: boolean) => `
set -euo pipefail
began=$EPOCHREALTIME
${isSummed ? 'openssl sha256 -r <"$FIFO" >"$SUM" &' : ''}
${pipelineOf(packing, isSummed)}
${isSummed ? 'wait $!' : ''}
echo "$began $EPOCHREALTIME"
cat /proc/$$/stat
`

/** The same by programs of the shell. @throws Error when one of them fails, or the sum is another one */
export async function writeByShell({ url, packing, device, sha256, folder }: Task): Promise<Written> {
  const [fifo, sum] = [join(folder, 'fifo'), join(folder, 'sum')]
  if (sha256 !== undefined) await run('mkfifo', ['-m', '600', fifo]).catch(() => undefined)
  const env = { ...process.env, URL: url, DEVICE: device, FIFO: fifo, SUM: sum }
  const [command, args] = anywhere(['bash', '-c', script(packing, sha256 !== undefined)])
  const { stdout } = await run(command, args, { env })
  const [times = '', stat = ''] = stdout.split('\n')
  const [began = 0, ended = 0] = times.split(' ').map(Number)
  if (sha256 !== undefined) {
    const found = (await readFile(sum, 'latin1')).split(' ')[0]
    if (found !== sha256) throw new Error(`openssl says ${found}, ${sha256} expected`)
  }
  return { seconds: ended - began, cpuSeconds: childrenCpuSeconds(stat), peakMiB: 0 }
}
