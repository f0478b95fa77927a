import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Event, Host } from './hosts.ts'
import { end } from './spaces.ts'

/** A client at work. */
export type Running = {
  /** renews at once; missing where only time makes the client do so */
  renew?(): Promise<void>
  /** gives its address back */
  release(): Promise<void>
  /** ends without a word to the server */
  stop(): Promise<void>
}

export type Client = {
  name: string
  /** what it needs */
  programs: readonly string[]
  /** the words of its hook: a lease kept after a second start, one that is renewed by broadcast */
  words: { again: string; rebound: string }
  /** whether it hears no broadcast, a NAK for one, between being bound and rebinding */
  isDeafWhenBound?: boolean
  /** arguments: without a look by ARP at the address that it is given, and with it */
  quick: readonly string[]
  careful: readonly string[]
  /** Starts it; it stays. @param more arguments before the interface */
  start(host: Host, ...more: string[]): Promise<Running>
}

/** busybox. It keeps no lease file, so a second start is a first one. */
export const udhcpc: Client = {
  name: 'udhcpc',
  programs: ['busybox'],
  words: { again: 'bound', rebound: 'renew' },
  quick: [],
  careful: ['-a'],
  async start({ space, hook }, ...more) {
    const child = space.start(
      'busybox',
      'udhcpc',
      '-f',
      '-t',
      '8',
      '-T',
      '1',
      '-s',
      hook,
      ...more,
      '-i',
      'eth0',
    )
    const signal = async (name: NodeJS.Signals) => void child.kill(name)
    return { renew: () => signal('SIGUSR1'), release: () => signal('SIGUSR2'), stop: () => end(child) }
  },
}

/** ISC's. It has no signal or command to renew, and no way to send an INFORM. It looks for other hosts by its hook. */
export const dhclient: Client = {
  name: 'dhclient',
  programs: ['dhclient'],
  words: { again: 'reboot', rebound: 'renew' },
  quick: [],
  careful: [],
  async start({ space, hook, folder }, ...more) {
    const configuration = join(folder, 'dhclient.conf')
    await writeFile(
      configuration,
      'request subnet-mask, routers, host-name;\ninitial-interval 1;\nbackoff-cutoff 2;\n',
    )
    const files = {
      cf: configuration,
      lf: join(folder, 'leases'),
      pf: join(folder, 'dhclient.pid'),
      sf: hook,
    }
    const words = Object.entries(files).flatMap(([flag, file]) => [`-${flag}`, file])
    const child = space.start('dhclient', '-4', '-d', ...words, ...more, 'eth0')
    return {
      release: async () => void (await space.run('dhclient', '-4', '-r', ...words, 'eth0')),
      stop: () => end(child),
    }
  },
}

/** Its lease and control files have one place for the whole system: each host gets its own by a mount namespace. */
export const dhcpcd: Client = {
  name: 'dhcpcd',
  programs: ['dhcpcd', 'unshare'],
  words: { again: 'reboot', rebound: 'rebind' },
  isDeafWhenBound: true,
  quick: ['--noarp'],
  careful: [],
  async start(host, ...more) {
    const { space, hook } = host
    const inside = ['nsenter', `--mount=/proc/${await ownFiles(host)}/ns/mnt`, 'dhcpcd']
    const quick = ['-4', '-f', '/dev/null', '--nodev', '--nodelay', '--script', hook]
    const child = space.start(...inside, '-B', ...quick, ...more, 'eth0')
    const say = async (flag: string) => void (await space.run(...inside, '-4', flag, 'eth0'))
    return { renew: () => say('-N'), release: () => say('-k'), stop: () => end(child) }
  },
}

const owners = new Map<Host, number>()

/** @returns the pid of a process that keeps the host's own files mounted */
async function ownFiles(host: Host): Promise<number> {
  const known = owners.get(host)
  if (known !== undefined) return known
  const mounts = ['/var/lib/dhcpcd', '/run'].map((at) => `mount -t tmpfs none ${at}`)
  const script = `${mounts.join(' && ')} && mkdir /run/dhcpcd && echo ready && exec sleep infinity`
  const child = host.space.start('unshare', '--mount', 'sh', '-c', script)
  await once(child.stdout!, 'data')
  owners.set(host, child.pid!)
  return child.pid!
}

export const clients = [udhcpc, dhclient, dhcpcd]

const npmProgram = fileURLToPath(new URL('npm-dhcp.ts', import.meta.url))

/**
 * Runs the client of the npm package `dhcp`. It knows DISCOVER and REQUEST alone: its timers for renewing are not
 * written, and its RELEASE asks for a setting that it then calls unknown.
 */
export async function npmDhcp({ space, mac }: Host): Promise<Event> {
  await space.ip('route', 'replace', '255.255.255.255', 'dev', 'eth0')
  const { stdout } = await space.run(process.execPath, '--import=tsx', npmProgram, mac)
  return JSON.parse(stdout) as Event
}
