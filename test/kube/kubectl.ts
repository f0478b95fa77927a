import { execFile, spawn, spawnSync } from 'node:child_process'
import { readdirSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestServer } from './server.ts'

/** A kubectl of this computer; `minor` is the 33 of 1.33. */
export type Program = { path: string; minor: number }

/** What `code` 1 means depends on the command: a failure, or for `diff` a difference. */
export type Run = { code: number; out: string; err: string }
export type RunOptions = { env?: Record<string, string>; input?: string }
export type Kubectl = (args: readonly string[], options?: RunOptions) => Promise<Run>

/** Older ones know neither `--subresource` nor OpenAPI v3. */
const oldest = 27

/** Reason to skip what needs any kubectl. */
export const noKubectl = `kubectl 1.${oldest} or newer is not installed`

const named = process.env['KUBECTL']
const usualPath = spawnSync('sh', ['-c', 'command -v "$0"', named ?? 'kubectl'], {
  encoding: 'utf8',
}).stdout.trim()

/** What the environment variable KUBECTL names, else `kubectl`; `undefined`: there is none from 1.27 on. */
export function usualKubectl(): Program | undefined {
  return usualPath === '' ? undefined : probed(usualPath)
}

/**
 * Every kubectl from 1.27 on, one for each minor version, oldest first. Some installations keep several beside the usual
 * one, as `kubectl.1.33`. What KUBECTL names goes before another of its version; a plain `kubectl` comes last, because
 * it may itself choose among the others.
 */
export function allKubectls(): Program[] {
  const usual = usualKubectl()
  if (!usual) return []
  const folder = dirname(realpathSync(usualPath))
  const beside = readdirSync(folder)
    .filter((name) => /^kubectl\.1\.\d+$/.test(name))
    .flatMap((name) => probed(join(folder, name)) ?? [])
  const byMinor = new Map<number, Program>()
  for (const program of named === undefined ? [...beside, usual] : [usual, ...beside])
    if (!byMinor.has(program.minor)) byMinor.set(program.minor, program)
  return [...byMinor.values()].toSorted((a, b) => a.minor - b.minor)
}

/** The oldest and the newest of them. */
export function kubectlEnds(): Program[] {
  const all = allKubectls()
  return all.filter((_, at) => at === 0 || at === all.length - 1)
}

function probed(path: string): Program | undefined {
  const { status, stdout } = spawnSync(path, ['version', '--client', '-o', 'json'], { encoding: 'utf8' })
  if (status !== 0) return undefined
  const { clientVersion } = JSON.parse(stdout) as { clientVersion: { minor: string } }
  const minor = Number.parseInt(clientVersion.minor, 10)
  return minor >= oldest ? { path, minor } : undefined
}

const commonOf = ({ minor }: Program, { pki, dataDir }: TestServer) => [
  '--kubeconfig',
  pki.kubeconfigPath,
  '--cache-dir',
  join(dataDir, `cache-${minor}`),
]

/** Runs a kubectl as the admin of `server`; its standard input is `input`, or nothing. */
export function kubectlOf(program: Program, server: TestServer): Kubectl {
  const common = commonOf(program, server)
  return (args, { env = {}, input } = {}) =>
    new Promise((resolve) => {
      const options = { timeout: 30_000, env: { ...process.env, ...env } }
      const child = execFile(program.path, [...common, ...args], options, (error, out, err) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, out, err })
      })
      child.stdin?.end(input)
    })
}

export type Following = {
  /** resolves once `text` has been printed; fails after 10 s */
  seen(text: string): Promise<void>
  /** ends kubectl; all that it has printed */
  stop(): Promise<string>
}

/** Starts a kubectl that goes on until it is stopped, such as `get -w`. */
export function follow(program: Program, server: TestServer, args: readonly string[]): Following {
  const child = spawn(program.path, [...commonOf(program, server), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let out = ''
  child.stdout.on('data', (data) => (out += String(data)))
  const ended = new Promise((resolve) => child.on('close', resolve))
  const seen = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no "${text}" in: ${out}`)), 10_000)
      const look = () => {
        if (!out.includes(text)) return
        clearTimeout(timer)
        child.stdout.off('data', look)
        resolve()
      }
      child.stdout.on('data', look)
      look()
    })
  const stop = async () => {
    child.kill()
    await ended
    return out
  }
  return { seen, stop }
}
