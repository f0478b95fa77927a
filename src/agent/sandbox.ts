import { mkdir } from 'node:fs/promises'
import { Child, ReportFault } from './child.ts'

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
  const child = childOf(plan, line)
  const kill = () => child.kill()
  signal?.addEventListener('abort', kill, { once: true })
  try {
    const pid = await next(child, 'mounted')
    const run = async (target: string) => {
      child.tell(`run${target}`)
      return Number(await next(child, 'ended'))
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
  await next(child, 'unmounted')
}

type Report = 'mounted' | 'ended' | 'unmounted'

/** The processes of one sandbox, seen from outside. */
function childOf(plan: SandboxPlan, line: (text: string) => void): Child {
  const { device, fsType, readOnly, folder, prepare = ':', work = ':' } = plan
  const options = readOnly ? 'ro' : 'rw'
  const told = { device, type: fsType, options, folder, prepare, work, first: firstProcess }
  return new Child(outer, told, line, killedWithinMs)
}

async function next(child: Child, kind: Report): Promise<string> {
  const ending = kind === 'mounted' ? 'nothing could be started' : 'its processes were ended from within'
  return child.next(kind, ending).catch((error: unknown) => {
    if (!(error instanceof ReportFault)) throw error
    if (error.kind === 'fault') throw new SandboxFault('mount', error.message)
    if (error.kind === 'unready') throw new SandboxFault('prepare', error.message)
    throw new Error(`not everything that was written is on the disk: ${error.message}`)
  })
}
