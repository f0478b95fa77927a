import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, open, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { projectDir } from '../../src/lab/scenario.ts'
import type { Lab } from '../../src/lab/scenario.ts'

const execute = promisify(execFile)
/** Runs a program. @returns what it printed */
export const run = async (program: string, ...args: string[]): Promise<string> =>
  (await execute(program, args, { maxBuffer: 64 << 20 })).stdout.trim()

/**
 * A machine whose netboot OS is a process of this host: real DHCP, boot script, identity, agent and block device, and no
 * firmware, so that it boots in a second and can be hurt at will. Its `kexec` is a stand-in that notes what was loaded.
 */
export type ProcessMachine = AsyncDisposable & {
  readonly mac: string
  readonly dir: string
  /** its disk, a loop device */
  readonly disk: string
  /** what its console has shown since it was made */
  readonly lines: readonly string[]
  powerOn(): Promise<void>
  /** How this boot ended: it was sent to its disk, it restarted, or it started the kernel that it had loaded. */
  ended(): Promise<'disk' | 'reboot' | 'kexec'>
  /** Resolves when a line from `since` on matches. @throws Error when it takes longer than a minute */
  waitForLine(pattern: RegExp, since?: number): Promise<string>
  /** SIGKILL to the agent. @returns whether one was running */
  killAgent(): Promise<boolean>
  /** pulls the network cable out, or puts it back in */
  cable(state: 'down' | 'up'): Promise<void>
}

export type ProcessMachineOptions = {
  name: string
  mac: string
  diskMib: number
  /** rate at which the network brings data to it, as `tc` writes it */
  rate?: string
}

const bootScript = fileURLToPath(new URL('boot.sh', import.meta.url))
const leaseScript = `#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr replace "$ip/$mask" dev "$interface"
printf %s "$boot_file" > "\${0%/bin/lease}/boot_file"
`
const kexecScript = `#!/bin/sh
dir=\${0%/bin/kexec}
case " $* " in
*" -e "*) [ -s "$dir/loaded" ] || { echo "nothing is loaded" >&2; exit 1; }; touch "$dir/started"; exec reboot -f ;;
*" -u "*) rm -f "$dir/loaded" ;;
*) for word; do case $word in /*|--initrd=/*) cat "\${word#--initrd=}" > /dev/null || exit 1 ;; esac; done; echo "$*" > "$dir/loaded" ;;
esac
`

export async function createProcessMachine(
  lab: Lab,
  options: ProcessMachineOptions,
): Promise<ProcessMachine> {
  const { name, mac } = options
  const dir = join(lab.dir, name)
  await mkdir(join(dir, 'bin'), { recursive: true })
  await writeFile(join(dir, 'bin/lease'), leaseScript, { mode: 0o755 })
  await writeFile(join(dir, 'bin/kexec'), kexecScript, { mode: 0o755 })
  await writeFile(join(dir, 'bin/reboot'), '#!/bin/sh\nexec busybox reboot "$@"\n', { mode: 0o755 })
  await symlink(process.execPath, join(dir, 'bin/node'))
  await writeFile(join(dir, 'disk.img'), '')
  await truncate(join(dir, 'disk.img'), options.diskMib * 2 ** 20)
  const disk = await run('losetup', '--find', '--show', '--partscan', join(dir, 'disk.img'))
  // Detached already, it stays as long as this process holds it, and no longer.
  const held = await open(disk)
  await run('losetup', '--detach', disk)
  const space = await plugIn(lab, name, options)

  let child: ChildProcess | undefined
  const lines: string[] = []
  const agent = join(projectDir, 'dist/agent/main.js')
  const powerOff = async () => {
    if (!child) return
    const gone = once(child, 'close')
    child.kill('SIGKILL')
    await gone
  }
  return {
    mac,
    dir,
    disk,
    lines,
    async powerOn() {
      await writeFile(join(dir, 'boot_id'), `${randomUUID()}\n`)
      await writeFile(join(dir, 'started'), '').then(() => run('rm', join(dir, 'started')))
      const boot = ['bash', bootScript, dir, mac, agent]
      const inside = ['unshare', '--mount', '--pid', '--fork', '--kill-child=KILL', ...boot]
      const started = spawn('nsenter', [`--net=/run/netns/${space}`, ...inside], {
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
      })
      child = started
      readLines(started, lines)
      started.once('close', () => (child = undefined))
      await once(started, 'spawn')
    },
    async ended() {
      const [code] = child ? await once(child, 'close') : [0]
      if (code === 0) return 'disk'
      const started = await readdir(dir).then((names) => names.includes('started'))
      return started ? 'kexec' : 'reboot'
    },
    waitForLine: (pattern, since = 0) => waitForLine(name, lines, pattern, since),
    async killAgent() {
      const pid = await agentOf(join(dir, 'run'))
      if (pid === undefined) return false
      process.kill(pid, 'SIGKILL')
      return true
    },
    cable: async (state) =>
      void (await run('ip', '-n', lab.network.name, 'link', 'set', portOf(name), state)),
    async [Symbol.asyncDispose]() {
      await powerOff()
      await held.close()
      await run('ip', 'netns', 'del', space)
    },
  }
}

const portOf = (name: string) => `port-${name}`.slice(0, 15)

/** Gives the machine a network namespace with one card, cabled to the lab's bridge. @returns the namespace's name */
async function plugIn(lab: Lab, name: string, { mac, rate }: ProcessMachineOptions): Promise<string> {
  const { network } = lab
  const space = `${network.name}-${name}`
  const port = portOf(name)
  await run('ip', 'netns', 'add', space)
  const card = ['peer', 'name', 'nic0', 'netns', space, 'address', mac]
  await run('ip', '-n', network.name, 'link', 'add', port, 'type', 'veth', ...card)
  await run('ip', '-n', network.name, 'link', 'set', port, 'master', network.bridge, 'up')
  await run('ip', '-n', space, 'link', 'set', 'nic0', 'up')
  await run('ip', '-n', space, 'link', 'set', 'lo', 'up')
  const shape = ['root', 'tbf', 'rate', rate ?? '', 'burst', '256kb', 'latency', '100ms']
  if (rate) await run('tc', '-n', network.name, 'qdisc', 'add', 'dev', port, ...shape)
  return space
}

function readLines(child: ChildProcess, lines: string[]): void {
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\n')
      rest = parts.pop() ?? ''
      lines.push(...parts)
    })
  }
}

async function waitForLine(
  name: string,
  lines: readonly string[],
  pattern: RegExp,
  since: number,
): Promise<string> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const found = lines.slice(since).find((line) => pattern.test(line))
    if (found !== undefined) return found
    if (Date.now() > deadline)
      throw new Error(`${name}: no line ${pattern} within a minute; last: ${lines.slice(-5).join(' | ')}`)
    await sleep(2)
  }
}

/** The agent is told by the folder that it was given. */
async function agentOf(folder: string): Promise<number | undefined> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    const words = line.split('\0')
    if (words[0] === 'node' && words.includes(folder)) return Number(pid)
  }
  return undefined
}
