import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { Child, ReportFault } from '../child.ts'

/** A place in RAM for one image, and what runs in it. */
export type Box = {
  /** as this process reaches it: `rootfs` and `config.json` belong there */
  folder: string
  /** Runs what is there, once; all that it printed has been told. @returns its exit code; 128 + n when signal n ended it */
  run(): Promise<number>
  /** Runs it after a while, out of this call's and this process's reach. */
  runLater(seconds: number): Promise<void>
}

type Plan = {
  /** the mount point; made when it is missing, and used by one box at a time */
  folder: string
  /** how much the image and what its programs write may take */
  bytes: number
}

type Deps = { signal: AbortSignal; line(text: string): void }

/** How long its processes get to end by themselves, in tenths of a second. */
const graceTenths = 50
const killedWithinMs = 20_000

/** The group of processes of a box: in each folder one, so that what an agent before this one has left is found. */
export function groupOf(folder: string): string {
  return `/ironwake/${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`
}

/**
 * Processes of other namespaces are found by their control group, whose programs all end when 1 is written to
 * `cgroup.kill`. That hierarchy is mounted for this script and the container; the machine need not have it.
 */
const script = `
set -f
report() { printf '%s\\n' "$*" >&4; }
groups=/sys/fs/cgroup
isThere() { [ -d "$groups$group" ]; }
end() {
  crun --root "$folder/state" kill "$name" TERM > /dev/null 2>&1
  left=$grace
  while [ -n "$1" ] && [ $left -gt 0 ] && kill -0 "$1" 2> /dev/null; do sleep 0.1; left=$((left - 1)); done
  [ -z "$1" ] || kill -KILL "$1" 2> /dev/null
  sweep
}
sweep() {
  left=100
  while isThere && [ $left -gt 0 ]; do
    echo 1 > "$groups$group/cgroup.kill"
    rmdir "$groups$group" 2> /dev/null && break
    sleep 0.1
    left=$((left - 1))
  done
}
start() { exec crun --root "$folder/state" --cgroup-manager=cgroupfs run --no-pivot -b "$folder" "$name" < /dev/null 3<&- 4>&-; }
read -r pid rest < /proc/self/stat
said=$(mount -n -t tmpfs -o "mode=0700,size=$size" image "$folder" 2>&1) || { report fault $said; exit; }
said=$(mount -n -t cgroup2 cgroup2 "$groups" 2>&1) || { report fault $said; exit; }
left=$grace
while isThere && [ $left -gt 0 ]; do sleep 0.1; left=$((left - 1)); done
sweep
report mounted $pid
IFS= read -r word <&3 || exit
case $word in
run)
  (start) &
  box=$!
  { cat <&3; end $box; } > /dev/null 2>&1 4>&- &
  watch=$!
  wait $box
  code=$?
  kill $watch 2> /dev/null
  sweep
  report ended $code
  ;;
later*)
  (
    trap '' HUP
    exec > "$console" 2>&1 3<&- 4>&-
    sleep "\${word#later}"
    (start)
    sweep
  ) &
  report ended 0
  ;;
esac
`

const outer = `
IFS=:
for place in $PATH; do [ -x "$place/unshare" ] && break; done
unset IFS
"$place/unshare" --mount --propagation private sh -c 'eval "$first"' 2>&1 | cat 3<&- 4>&-
`

/**
 * Makes room for an image, calls `use`, and takes all of it away again: neither processes nor files outlive the call, nor
 * this process, but for what `runLater` has started.
 * @throws Error when there can be none
 */
export async function withBox<T>(plan: Plan, deps: Deps, use: (box: Box) => Promise<T>): Promise<T> {
  const { signal, line } = deps
  signal.throwIfAborted()
  await mkdir(plan.folder, { recursive: true })
  const group = groupOf(plan.folder)
  const told = {
    folder: plan.folder,
    size: `${plan.bytes}`,
    group,
    name: group.split('/').at(-1)!,
    grace: `${graceTenths}`,
    console: '/dev/null',
    first: script,
  }
  const child = new Child(outer, told, line, killedWithinMs)
  const stop = () => child.hangUp()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const pid = await next(child, 'mounted', 'no container can be made')
    return await use({
      folder: `/proc/${pid}/root${plan.folder}`,
      async run() {
        child.tell('run')
        const code = Number(await next(child, 'ended', 'the container was ended from within'))
        // What it printed last may still be on its way.
        child.hangUp()
        await child.closed()
        return code
      },
      async runLater(seconds) {
        child.tell(`later${seconds}`)
        await next(child, 'ended', 'the container could not be started')
      },
    })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    child.hangUp()
    await child.closed()
    signal.removeEventListener('abort', stop)
  }
}

async function next(child: Child, kind: string, ending: string): Promise<string> {
  return child.next(kind, ending).catch((error: unknown) => {
    if (error instanceof ReportFault) throw new Error(`no container can be made: ${error.message}`)
    throw error
  })
}
