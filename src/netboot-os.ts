import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { dirname } from 'node:path'
import { AppError, messageOf } from './model/error.ts'

/** `os`: kernel and initramfs (os/build.sh). `ipxe`: iPXE's boot programs (os/ipxe.sh). */
export type BootPart = 'os' | 'ipxe'

/** Architectures that the netboot OS is made for, named as Linux does. */
export const osArchs = ['x86_64', 'aarch64'] as const
export type OsArch = (typeof osArchs)[number]

export type BuildOptions = {
  /** of the netboot OS; iPXE comes for all at once */
  arch: OsArch
  /** folder that gets the files; made when it is missing */
  output: string
  /** folder that keeps downloaded packages and their versions */
  cache: string
  /** look for newer packages than those of the first build */
  refresh: boolean
}

type Surroundings = { env: Readonly<Record<string, string | undefined>>; signal: AbortSignal }

const scripts: Record<BootPart, { file: string; what: string }> = {
  os: { file: 'build.sh', what: 'the netboot OS was not built' },
  ipxe: { file: 'ipxe.sh', what: 'iPXE was not fetched' },
}

/**
 * Makes what machines boot from the network by the scripts that ship beside `src` and `dist`. They print their progress
 * and faults themselves; `signal` ends them with all that they started.
 * @throws AppError FailedPrecondition when the script fails or is ended
 */
export async function makeBootPart(
  part: BootPart,
  { arch, output, cache, refresh }: BuildOptions,
  { env, signal }: Surroundings,
): Promise<void> {
  const { file, what } = scripts[part]
  const script = fileURLToPath(new URL(`../os/${file}`, import.meta.url))
  const child = spawn('bash', [script, output, cache, ...(part === 'os' ? [arch] : [])], {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
    // The Node that runs this is the one that goes into the netboot OS, unless another is named.
    env: {
      IRONWAKE_NODE: process.execPath,
      ...env,
      PATH: `${env['PATH'] ?? '/usr/bin:/bin'}:${dirname(process.execPath)}`,
      ...(refresh ? { IRONWAKE_REFRESH: '1' } : {}),
    },
  })
  const stop = () => void (child.pid && process.kill(-child.pid, 'SIGTERM'))
  signal.addEventListener('abort', stop)
  try {
    const [code] = (await once(child, 'exit')) as [number | null]
    if (code !== 0) throw new AppError('FailedPrecondition', what)
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('FailedPrecondition', `${what}: cannot run bash: ${messageOf(error)}`, {
      cause: error,
    })
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
