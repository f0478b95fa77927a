import { networkInterfaces } from 'node:os'
import { readFile } from 'node:fs/promises'
import { messageOf } from '../../model/error.ts'
import type { ActionRun, Machine } from './action.ts'
import { isTrue } from './environment.ts'
import { readMetadata } from './metadata.ts'

type Environment = Readonly<Record<string, string>>

const sources = ['CONTENTS', 'BOOTCONFIG_CONTENTS', 'HEGEL_URLS', 'STATIC_BOTTLEROCKET']

/**
 * What writefile writes: CONTENTS as it is; or, as EKS Anywhere's writefile has it for Bottlerocket, one of
 * BOOTCONFIG_CONTENTS (a kernel's boot configuration, as the tool `bootconfig -a` makes a file of it), HEGEL_URLS (the
 * machine's user data, from the first of these metadata services that has it; commas between), STATIC_BOTTLEROCKET (the
 * address that the machine has now, as net.toml of the interface IFNAME).
 * @throws Error when there are several, or one of them cannot be had
 */
export async function contentsOf(run: ActionRun, machine: Machine): Promise<Buffer> {
  const { environment } = run
  const given = sources.filter((name) => environment[name])
  if (environment['STATIC_NETPLAN']) throw new Error('STATIC_NETPLAN is not supported: use CONTENTS')
  if (given.length > 1) throw new Error(`${given.join(' and ')} are set: one of them expected`)
  if (given[0] === 'BOOTCONFIG_CONTENTS') return bootconfig(environment['BOOTCONFIG_CONTENTS'] ?? '')
  if (given[0] === 'HEGEL_URLS') return userData(environment['HEGEL_URLS'] ?? '', run, machine)
  if (isTrue(environment['STATIC_BOTTLEROCKET'])) return Buffer.from(await netToml(environment))
  return Buffer.from(environment['CONTENTS'] ?? '')
}

const magic = Buffer.from('#BOOTCONFIG\n')

/**
 * An empty initrd with a boot configuration behind it (Linux, Documentation/admin-guide/bootconfig.rst): the text with a
 * NUL and more of them up to a multiple of 4, its size and the sum of its bytes (32 bits, little endian), the magic.
 */
export function bootconfig(text: string): Buffer {
  const bytes = Buffer.from(`${text}\0`)
  const padded = Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)])
  const footer = Buffer.alloc(8)
  footer.writeUInt32LE(padded.length, 0)
  footer.writeUInt32LE(
    padded.reduce((sum, byte) => (sum + byte) >>> 0, 0),
    4,
  )
  return Buffer.concat([padded, footer, magic])
}

/** @param list URLs with commas between; brackets and quotes around them mean nothing */
async function userData(list: string, run: ActionRun, machine: Machine): Promise<Buffer> {
  const faults: string[] = []
  for (const word of list.split(',').map((part) => part.replace(/^[\s['"]+|[\s\]'"]+$/g, ''))) {
    const url = `${word.replace(/\/+$/, '')}/2009-04-04/user-data`
    try {
      if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
        throw new Error(`"${word}": an http or https URL expected`)
      return await readMetadata(url, 'ironwake-agent', run, machine)
    } catch (error) {
      run.signal.throwIfAborted()
      faults.push(messageOf(error))
    }
  }
  throw new Error(`HEGEL_URLS: no user data: ${faults.join('; ')}`)
}

async function netToml(environment: Environment): Promise<string> {
  const name = environment['IFNAME'] ?? ''
  if (!/^[\w.:-]{1,15}$/.test(name))
    throw new Error(`IFNAME is "${name}": a network interface such as eno1 expected`)
  const route = await defaultRoute()
  const addresses = Object.entries(networkInterfaces()).flatMap(([card, found = []]) =>
    found.flatMap(({ family, internal, cidr }) =>
      family === 'IPv4' && !internal && cidr ? { card, cidr } : [],
    ),
  )
  const own = addresses.find(({ card }) => card === route?.card) ?? addresses[0]
  if (!own) throw new Error('STATIC_BOTTLEROCKET: this machine has no IPv4 address')
  const lines = ['version = 2', '', `[${name}]`, 'primary = true', '', `[${name}.static4]`]
  const gateway = route && ['', `[[${name}.route]]`, 'to = "default"', `via = "${route.gateway}"`]
  return [...lines, `addresses = ["${own.cidr}"]`, ...(gateway ?? []), ''].join('\n')
}

/** From /proc/net/route: addresses there are hexadecimal numbers in the order of the processor, here little endian. */
async function defaultRoute(): Promise<{ card: string; gateway: string } | undefined> {
  const rows = (await readFile('/proc/net/route', 'utf8')).split('\n').map((line) => line.split('\t'))
  const row = rows.find(([, to, via]) => to === '00000000' && via !== undefined && via !== '00000000')
  const [card = '', , via = ''] = row ?? []
  return row && { card, gateway: [...Buffer.from(via, 'hex').reverse()].join('.') }
}
