import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { CauseCode } from '../../../src/timeline/doctor/case.ts'
import { dhclient, udhcpc } from '../../interop/dhcp-clients.ts'
import { addHost } from '../../interop/hosts.ts'
import type { Host } from '../../interop/hosts.ts'
import { createSite, end, missing, until } from '../../interop/spaces.ts'
import type { Bridge, Site } from '../../interop/spaces.ts'
import { hardware, workflow } from './case.ts'
import { startClinic } from './clinic.ts'
import type { RunningClinic } from './clinic.ts'

/** Real clients do what they do when something is wrong; the doctor, asked ten minutes later, finds out what it was. */
const serverIp = '192.168.77.1'
const skip = await missing('busybox', 'curl', 'dhclient', 'dnsmasq')

let site: Site
let bridge: Bridge
let clinic: RunningClinic
const dirs = { ipxeDir: '', osDir: '', imageDir: '' }
if (!skip) {
  site = await createSite(async (made) => {
    const space = await made.space()
    bridge = await made.bridge(space, 'br0', `${serverIp}/24`)
    for (const name of ['ipxeDir', 'osDir', 'imageDir'] as const) {
      dirs[name] = join(made.folder, name)
      await mkdir(dirs[name])
    }
    await writeFile(join(dirs.ipxeDir, 'ipxe.efi'), Buffer.alloc(300_000, 1))
    await writeFile(join(dirs.ipxeDir, 'undionly.kpxe'), Buffer.alloc(60_000, 1))
    await writeFile(join(dirs.osDir, 'vmlinuz-x86_64'), Buffer.alloc(200_000, 1))
    await writeFile(join(dirs.osDir, 'initramfs-x86_64'), Buffer.alloc(40_000_000, 1))
    clinic = await startClinic(space, { serverIp, device: 'br0', dirs })
    t.teardown(() => clinic[Symbol.asyncDispose]())
  })
  t.teardown(() => site[Symbol.asyncDispose]())
}

t.setTimeout(180_000)
const options = { skip, buffered: true }
const uefi = ['-V', 'PXEClient:Arch:00007:UNDI:003016', '-x', '0x5d:0007']
const ipxe = [...uefi, '-x', '0x4d:69505845']

type Machine = {
  host: Host
  boots(...words: string[]): Promise<void>
  fetches(...words: string[]): Promise<string>
}
let last = 100

/** A machine in the inventory, with a Workflow that waits for it, and its clients. */
async function machine(nic: object = {}, spec: object = {}, dhcp: object = {}): Promise<Machine> {
  const ip = `192.168.77.${last++}`
  const host = await addHost(site, bridge, ip)
  const name = `m${last}`
  const address = { mac: host.mac, ip: { address: ip, netmask: '255.255.255.0', gateway: serverIp }, ...dhcp }
  const made = hardware({ dhcp: address, ...nic }, spec)
  const run = workflow('PENDING', { spec: { hardwareRef: name, templateRef: 't' } })
  await clinic.put(
    { ...made, metadata: { ...made.metadata, name } },
    { ...run, metadata: { ...run.metadata, name } },
  )
  return { host, ...clientsOf(host) }
}

const clientsOf = (host: Host) => ({
  /** one DHCP exchange of this kind of program, to the lease */
  async boots(...words: string[]) {
    const after = (await host.events()).filter(({ event }) => event === 'bound').length
    const client = await udhcpc.start(host, ...words)
    await until(
      async () => (await host.events()).filter(({ event }) => event === 'bound').length > after,
      () => `${host.mac} gets no lease`,
    )
    await client.stop()
  },
  fetches: async (...words: string[]) => (await host.space.run('curl', '-sS', ...words)).stdout,
})

/** One that only asks, for as long as it takes to be heard. */
async function asks(host: Host, stage: string, ...words: string[]): Promise<void> {
  const client = await udhcpc.start(host, ...words)
  await clinic.waitFor(host.mac, (entry) => entry.stage === stage)
  await client.stop()
}

const tftp = (file: string) => `tftp://${serverIp}/${file}`
const http = (path: string) => `http://${serverIp}:7171/${path}`
const script = ({ mac }: Host) => http(`ipxe/script/${mac}/5ec4e7/auto.ipxe`)
const nowhere = ['-o', '/dev/null']

function wire(name: string, want: CauseCode, act: () => Promise<Host>, says?: RegExp): void {
  t.test(`${name}: ${want}`, options, async (t) => {
    const { mac } = await act()
    const { state, causes } = await clinic.diagnose(mac)
    t.equal(causes[0]?.cause, want, JSON.stringify([causes, await clinic.entries(mac)], undefined, 1))
    t.equal(state, 'problem')
    if (says) t.match(JSON.stringify(causes[0]), says)
  })
}

wire('a machine that does nothing', 'never-seen', async () => (await machine()).host)

wire(
  'a machine whose MAC is not in the inventory',
  'unknown-mac',
  async () => {
    const { host } = await machine()
    const stranger = await addHost(site, bridge, '192.168.77.250', {
      mac: host.mac.replace(/^52:54/, '52:44'),
    })
    await asks(stranger, 'dhcp-silent', ...uefi, '-x', '0x61:00112233445566778899aabbccddeeff00')
    t.match(
      (await clinic.unknown()).map(({ mac }) => mac),
      [stranger.mac],
    )
    return stranger
  },
  /one digit differs/,
)

wire('DHCP switched off in the Hardware', 'dhcp-disabled', async () => {
  const { host } = await machine({ disableDhcp: true })
  await asks(host, 'dhcp-silent', ...uefi)
  return host
})

wire('a Hardware without address', 'no-address', async () => {
  const { host } = await machine({}, {}, { ip: undefined })
  await asks(host, 'dhcp-silent', ...uefi)
  return host
})

/** dhclient as a PXE firmware that will not hear of our server. */
async function rejecting(host: Host): Promise<string> {
  const file = join(host.folder, 'rejecting.conf')
  await writeFile(
    file,
    `option arch code 93 = unsigned integer 16;\nsend arch 7;\nreject ${serverIp};\n` +
      'send vendor-class-identifier "PXEClient:Arch:00007:UNDI:003016";\ninitial-interval 1;\nbackoff-cutoff 2;\n',
  )
  return file
}

wire('an offer that is not taken', 'offer-ignored', async () => {
  const { host } = await machine()
  const client = await dhclient.start(host, '-cf', await rejecting(host))
  await clinic.waitFor(host.mac, ({ stage, count }) => stage === 'dhcp-offer' && count > 1)
  await client.stop()
  return host
})

wire('another DHCP server whose offer is taken', 'other-dhcp-server', async () => {
  const { host } = await machine()
  const other = await site.space()
  await site.plug(other, 'eth0', bridge, { address: '192.168.77.3/24' })
  const words = [
    '--no-daemon',
    '--port=0',
    '--dhcp-range=192.168.77.200,192.168.77.210',
    '--user=root',
    '--group=root',
  ]
  const leases = `--dhcp-leasefile=${join(host.folder, 'dnsmasq')}`
  const rogue = other.start(
    'dnsmasq',
    '--conf-file=/dev/null',
    '--no-ping',
    leases,
    '--interface=eth0',
    ...words,
  )
  const client = await dhclient.start(host, '-cf', await rejecting(host))
  await clinic.waitFor(host.mac, ({ facts }) => facts['why'] === 'other-server')
  await client.stop()
  await end(rogue)
  return host
})

wire('an address of another network', 'off-link', async () => {
  const far = { address: '10.9.0.20', netmask: '255.255.255.0' }
  const { host } = await machine({}, {}, { ip: far })
  await asks(host, 'dhcp-ack', ...uefi)
  return host
})

wire('a processor that nobody knows', 'unknown-arch', async () => {
  const { host, boots } = await machine()
  await boots('-V', 'PXEClient:Arch:32767:UNDI:003016', '-x', '0x5d:7fff')
  return host
})

wire('UEFI that is given a program for BIOS', 'wrong-arch-file', async () => {
  const { host, boots } = await machine({ netboot: { allowPXE: true, ipxe: { binary: 'undionly.kpxe' } } })
  await boots(...uefi)
  return host
})

wire('an address and no request for the file', 'tftp-no-request', async () => {
  const { host, boots } = await machine()
  await boots(...uefi)
  return host
})

wire('a program that is not on the server', 'file-missing', async () => {
  const { host, boots, fetches } = await machine({
    netboot: { allowPXE: true, ipxe: { binary: 'snponly.efi' } },
  })
  await boots(...uefi)
  await fetches(...nowhere, tftp('snponly.efi')).catch(() => {})
  return host
})

/** Asks for a file by TFTP and acknowledges nothing; with `leaves` it is gone once the first block is there. */
const reader = (file: string, leaves: boolean) => `
  const socket = require('node:dgram').createSocket('udp4')
  socket.on('message', () => ${leaves} && process.exit())
  socket.send(Buffer.from('\\0\\x01${file}\\0octet\\0', 'latin1'), 69, '${serverIp}')`

wire('answers of TFTP that do not arrive', 'tftp-no-acks', async () => {
  const { host, boots } = await machine()
  await boots(...uefi)
  const client = host.space.start(process.execPath, '-e', reader('ipxe.efi', false))
  await clinic.waitFor(host.mac, ({ stage }) => stage === 'tftp-failed')
  await end(client)
  return host
})

wire('a client that goes away in the middle', 'tftp-aborted', async () => {
  const { host, boots } = await machine()
  await boots(...uefi)
  await host.space.run(process.execPath, '-e', reader('ipxe.efi', true))
  await clinic.waitFor(host.mac, ({ stage }) => stage === 'tftp-failed')
  return host
})

wire('a loader that is read again and again', 'secure-boot', async () => {
  const { host, boots, fetches } = await machine()
  for (let round = 0; round < 2; round++) {
    await boots(...uefi)
    await fetches(...nowhere, tftp('ipxe.efi'))
    await clinic.waitFor(host.mac, ({ stage, count }) => stage === 'tftp-read' && count === round + 1)
  }
  return host
})

/** Firmware, loader, iPXE. */
async function toIpxe(made: Machine): Promise<void> {
  await made.boots(...uefi)
  await made.fetches(...nowhere, tftp('ipxe.efi'))
  await made.boots(...ipxe)
}

wire('a script that is not fetched', 'script-not-fetched', async () => {
  const made = await machine()
  await toIpxe(made)
  return made.host
})

wire('a kernel that is not fetched', 'kernel-not-fetched', async () => {
  const made = await machine()
  await toIpxe(made)
  t.match(await made.fetches(script(made.host)), /boots the netboot OS/)
  return made.host
})

wire('a kernel that is not on the server', 'file-missing', async () => {
  const made = await machine({}, {}, { arch: 'aarch64' })
  await toIpxe(made)
  await made.fetches(script(made.host))
  await made.fetches(...nowhere, http('os/vmlinuz-aarch64'))
  return made.host
})

wire('a network boot that is not allowed', 'netboot-not-allowed', async () => {
  const made = await machine({ netboot: { allowPXE: false } })
  await toIpxe(made)
  t.match(await made.fetches(script(made.host)), /boots its own disk/)
  return made.host
})

async function toKernel(made: Machine): Promise<void> {
  await toIpxe(made)
  await made.fetches(script(made.host))
  await made.fetches(...nowhere, http('os/vmlinuz-x86_64'))
}

wire(
  'an initramfs that breaks off',
  'transfer-broken',
  async () => {
    const made = await machine()
    await toKernel(made)
    await made
      .fetches(...nowhere, '--limit-rate', '1M', '--max-time', '1', http('os/initramfs-x86_64'))
      .catch(() => {})
    await clinic.waitFor(made.host.mac, ({ stage }) => stage === 'initramfs')
    return made.host
  },
  /of 38\.1 MiB, broken off/,
)

async function toInitramfs(made: Machine): Promise<void> {
  await toKernel(made)
  await made.fetches(...nowhere, http('os/initramfs-x86_64'))
  await clinic.waitFor(made.host.mac, ({ stage }) => stage === 'initramfs')
}

wire('a netboot OS that is not heard', 'netboot-os-silent', async () => {
  const made = await machine()
  await toInitramfs(made)
  return made.host
})

wire('a netboot OS whose agent does not call', 'agent-silent', async () => {
  const made = await machine()
  await toInitramfs(made)
  await made.boots()
  return made.host
})

t.test('bytes and durations of each file are told', options, async (t) => {
  const made = await machine()
  await toInitramfs(made)
  const entries = await clinic.entries(made.host.mac)
  const facts = (stage: string) => entries.find((entry) => entry.stage === stage)?.facts
  t.match(facts('tftp-read'), { file: 'ipxe.efi', bytes: 300_000, ms: Number })
  t.match(facts('kernel'), { bytes: 200_000, total: 200_000, ms: Number })
  t.match(facts('initramfs'), { bytes: 40_000_000, total: 40_000_000, ms: Number })
  t.same(
    entries.filter(({ stage }) => stage === 'dhcp-discover').map(({ facts: { client } }) => client),
    ['firmware', 'ipxe'],
  )
  const { state, reached, journey } = await clinic.diagnose(made.host.mac, 0)
  t.equal(state, 'under-way')
  t.equal(reached?.stage, 'initramfs')
  t.match(journey.boots, [
    { loaderAt: Number, ipxeAt: Number, scriptAt: Number, kernelAt: Number, initramfsAt: Number },
  ])
})

t.test('the doctor sees at once that a file has gone', options, async (t) => {
  const made = await machine()
  await toIpxe(made)
  await made.fetches(script(made.host))
  await rm(join(dirs.osDir, 'vmlinuz-x86_64'))
  const { causes } = await clinic.diagnose(made.host.mac, 0)
  t.match(causes[0], { cause: 'file-missing', todo: [/os build/] })
})
