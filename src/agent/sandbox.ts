import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { LineSplitter } from './lines.ts'

/** What a sandbox is made for. The scripts see the mount point as `$folder`. */
export type SandboxPlan = {
  device: string
  fsType: string
  readOnly: boolean
  /** where the file system is mounted; made when it is missing */
  folder: string
  /** shell commands before `work` that must succeed; they see the text given to `run` as `$target` */
  prepare?: string
  /** shell commands whose exit code is what `run` returns */
  work?: string
}

export type Sandbox = {
  /** the mounted file system, as this process reaches it */
  root: string
  /** Runs `prepare` and `work`. @returns the exit code of `work`; 128 + n when signal n ended it */
  run(target: string): Promise<number>
}

export type SandboxDeps = {
  /** ends everything in the sandbox when it aborts */
  signal?: AbortSignal
  /** a line of what the programs in it write */
  line?: (text: string) => void
}

const killedWithinMs = 10_000

/**
 * The first process of the sandbox's process namespace; when it ends, the kernel ends all others and lets the mounts
 * go. It ends when file descriptor 3 closes, which the kernel does for an agent that is killed. On 4 it tells what it did.
 */
const firstProcess = `
set -f
trap 'exit 143' TERM
report() { printf '%s\\n' "$*" >&4; }
read -r pid rest < /proc/self/stat
said=$(mount -n -t "$type" -o "$options" "$device" "$folder" 2>&1) || { report fault $said; exit; }
report mounted $pid
IFS= read -r target <&3 || exit
case $target in
run*)
  target=\${target#run}
  said=$(eval "$prepare" 2>&1) || { report unready $said; exit; }
  { cat <&3; kill -TERM 1; } > /dev/null 2>&1 4>&- &
  (eval "$work") < /dev/null 3<&- 4>&- &
  wait $!
  code=$?
  trap '' TERM
  kill -KILL -1
  report ended $code
  IFS= read -r target <&3
  ;;
esac
said=$(sync -f "$folder" 2>&1) || report unsynced $said
umount -l "$folder"
report unmounted
`

/**
 * Its output goes through a pipe: programs cannot open /dev/stdout when that is one of Node's sockets. Busybox's shell
 * would take busybox's own `unshare`, which does not know --kill-child, unless it is called by its path.
 */
const outer = `
IFS=:
for place in $PATH; do [ -x "$place/unshare" ] && break; done
unset IFS
"$place/unshare" --mount --pid --fork --kill-child=KILL --propagation private sh -c 'eval "$first"' 2>&1 | cat 3<&- 4>&-
`

/** Nothing was run: the file system could not be mounted, or `prepare` failed. `message` is what the program said. */
export class SandboxFault extends Error {
  readonly step: 'mount' | 'prepare'
  constructor(step: SandboxFault['step'], message: string) {
    super(message)
    this.step = step
  }
}

/**
 * Mounts a file system where only this sandbox sees it. No process and no mount of it outlives the call, nor the
 * process that made the call, however that ends. The kernel may need a moment more to let the device go.
 * @throws SandboxFault; Error when the last writes did not reach the disk or something ended the sandbox from within
 */
export async function withSandbox<T>(
  plan: SandboxPlan,
  deps: SandboxDeps,
  use: (sandbox: Sandbox) => Promise<T>,
): Promise<T> {
  const { signal, line = () => undefined } = deps
  signal?.throwIfAborted()
  await mkdir(plan.folder, { recursive: true })
  const child = new Child(plan, line)
  const kill = () => child.kill()
  signal?.addEventListener('abort', kill, { once: true })
  try {
    const pid = await child.next('mounted')
    const run = async (target: string) => {
      child.tell(`run${target}`)
      return Number(await child.next('ended'))
    }
    const result = await use({ root: `/proc/${pid}/root${plan.folder}`, run }).catch(
      async (error: unknown) => {
        await unmount(child).catch(() => undefined)
        throw error
      },
    )
    await unmount(child)
    return result
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    child.hangUp()
    await child.closed()
    signal?.removeEventListener('abort', kill)
  }
}

async function unmount(child: Child): Promise<void> {
  child.tell('')
  await child.next('unmounted')
}

/** The processes of one sandbox, seen from outside. */
class Child {
  readonly #process: ChildProcess
  readonly #reports: AsyncIterator<string>
  readonly #gone: Promise<void>
  #isGone = false
  #fault: Error | undefined
  #last = ''
  #giveUp: (why: Error) => void = () => undefined
  readonly #hung: Promise<never>

  constructor(plan: SandboxPlan, line: (text: string) => void) {
    const { device, fsType, readOnly, folder, prepare = ':', work = ':' } = plan
    const told = { device, type: fsType, options: readOnly ? 'ro' : 'rw', folder, prepare, work }
    this.#process = spawn('sh', ['-c', outer], {
      detached: true,
      env: { ...process.env, ...told, first: firstProcess },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    })
    this.#hung = new Promise((_resolve, reject) => (this.#giveUp = reject))
    this.#hung.catch(() => undefined)
    this.#gone = new Promise((resolve) =>
      this.#process.on('close', () => {
        this.#isGone = true
        resolve()
      }),
    )
    this.#process.on('error', (error) => (this.#fault = error))
    for (const stream of this.#process.stdio) stream?.on('error', () => undefined)
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      const lines = new LineSplitter((text) => {
        this.#last = text
        line(text)
      })
      stream?.on('data', (chunk: Buffer) => lines.push(chunk))
      stream?.on('end', () => lines.end())
    }
    this.#reports = createInterface(this.#process.stdio[4] as Readable)[Symbol.asyncIterator]()
  }

  /** Writes a line to the first process. */
  tell(text: string): void {
    this.#input().write(`${text}\n`)
  }

  /** Lets the first process know that nobody is there any more. */
  hangUp(): void {
    this.#input().end()
  }

  kill(): void {
    const { pid } = this.#process
    const why = new Error(`its processes do not end; the kernel may wait for the disk`)
    setTimeout(() => this.#giveUp(why), killedWithinMs).unref()
    if (pid === undefined || this.#isGone) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch (error) {
      this.#fault ??= error as Error
    }
  }

  /** What comes with the next report, which must be of that kind. */
  async next(kind: 'mounted' | 'ended' | 'unmounted'): Promise<string> {
    const { value, done } = await Promise.race([this.#reports.next(), this.#hung])
    if (done) {
      await this.#gone
      const what = kind === 'mounted' ? 'nothing could be started' : 'its processes were ended from within'
      throw this.#fault ?? new Error(`${what}: ${this.#last || 'nothing was said'}`)
    }
    const [found, said] = /^(\w+) ?(.*)$/.exec(value)?.slice(1) ?? []
    if (found === kind) return said ?? ''
    if (found === 'fault') throw new SandboxFault('mount', said ?? '')
    if (found === 'unready') throw new SandboxFault('prepare', said ?? '')
    throw new Error(`not everything that was written is on the disk: ${said}`)
  }

  /** Resolves when all of its processes are gone, or hang in the kernel. */
  async closed(): Promise<void> {
    const late = setTimeout(() => this.kill(), killedWithinMs)
    await Promise.race([this.#gone, this.#hung]).catch(() => undefined)
    clearTimeout(late)
  }

  #input(): Writable {
    return this.#process.stdio[3] as Writable
  }
}
