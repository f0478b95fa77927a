import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { networkConfig } from '../../src/metadata/network.ts'
import { releasedAnnotation } from '../../src/model/hardware.ts'
import { messageOf } from '../../src/model/error.ts'
import type { Hardware, HardwareSpec } from '../../src/model/hardware.ts'
import { hardwareOf } from '../boot/things.ts'

// cloud-init as Debian ships it, in a tree of its own, on a network with the metadata service and nothing else.
// The trees are made by the first run: some minutes on a busy machine.
t.setTimeout(15 * 60_000)
const run = promisify(execFile)
const beside = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const spaces = { server: `iw${process.pid}m`, client: `iw${process.pid}n` }
const server = '192.168.77.1'
const mac = '52:54:00:77:01:01'

const userData = `## template: jinja
#cloud-config
write_files: [{ path: /etc/ironwake/told, content: "{{ ds.meta_data.hostname }}" }]
phone_home: { url: "http://${server}:7172/phone-home", post: [ instance_id, hostname ], tries: 2 }
`
const vendorData = '#cloud-config\nfinal_message: installed by its owner\n'

const spec: HardwareSpec = {
  userData,
  vendorData,
  metadata: { instance: { id: mac, hostname: 'node-1', ssh_keys: ['ssh-ed25519 AAAA one'] } },
  interfaces: [
    {
      dhcp: {
        mac,
        hostname: 'node-1',
        domain_name: 'lab.example',
        name_servers: ['192.168.77.2'],
        ip: { address: '192.168.77.21', netmask: '255.255.255.0', gateway: server },
      },
    },
    {
      dhcp: {
        mac: '52:54:00:77:01:02',
        vlan_id: '100',
        iface_name: 'eno2',
        ip: { address: '10.9.0.21', netmask: '255.255.0.0', gateway: '10.9.0.1' },
        classless_static_routes: [{ destination_descriptor: '10.0.0.0/8', router: '10.9.0.1' }],
      },
    },
    { dhcp: { mac: '52:54:00:77:01:03' } },
  ],
}

/** What cloud-init wrote, by path. */
type Files = Record<string, string>
type Boot = { suite: string; commandLine?: string; config?: string; hardware?: Hardware }

async function buildNetwork(): Promise<void> {
  const ip = (...words: string[]) => run('ip', words)
  for (const space of Object.values(spaces)) {
    await ip('netns', 'add', space)
    await ip('-n', space, 'link', 'set', 'lo', 'up')
  }
  const veth = [
    'srv0',
    'netns',
    spaces.server,
    'type',
    'veth',
    'peer',
    'name',
    'enp9s0',
    'netns',
    spaces.client,
  ]
  await ip('link', 'add', ...veth)
  await ip('-n', spaces.client, 'link', 'set', 'enp9s0', 'address', mac)
  for (const [space, link, address] of [
    [spaces.server, 'srv0', server],
    [spaces.client, 'enp9s0', '192.168.77.21'],
  ] as const) {
    await ip('-n', space, 'addr', 'add', `${address}/24`, 'dev', link)
    await ip('-n', space, 'link', 'set', link, 'up')
  }
}

async function removeNetwork(): Promise<void> {
  for (const space of Object.values(spaces)) await run('ip', ['netns', 'del', space]).catch(() => {})
}

/** Boots `suite` beside the metadata service of `hardware`. */
async function boot({ suite, commandLine = 'ro quiet', config = '', hardware = hardwareOf({ spec }) }: Boot) {
  const { stdout: tree } = await run(beside('cloud-init.sh'), [suite], { timeout: 600_000 })
  const program = [process.execPath, '--import=tsx', beside('cloud-init-serve.ts'), server]
  const child = spawn('ip', ['netns', 'exec', spaces.server, ...program])
  child.stdin.end(JSON.stringify(hardware))
  const stages: Record<string, unknown>[] = []
  const faults: string[] = []
  child.stderr.on('data', (text) => faults.push(String(text)))
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`the server ended: ${faults.join('')}`)))
      createInterface(child.stdout).on('line', (line) =>
        line === 'listening' ? resolve() : stages.push(JSON.parse(line)),
      )
    })
    const words = [
      'netns',
      'exec',
      spaces.client,
      beside('cloud-init-boot.sh'),
      tree.trim(),
      commandLine,
      config,
    ]
    const { stdout } = await run('ip', words, { timeout: 300_000, maxBuffer: 64 << 20 })
    return { files: JSON.parse(stdout) as Files, stages }
  } finally {
    if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit')
  }
}

/** Why cloud-init cannot be run here. In CI there is no excuse: the tests then fail. */
async function whyNot(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'cloud-init in a tree of its own needs root'
  if (!existsSync('/usr/bin/mmdebstrap')) return 'mmdebstrap is not installed'
  if (process.env['CI']) return false
  return run(beside('cloud-init.sh'), ['trixie'], { timeout: 600_000 }).then(
    () => false,
    (error: unknown) => `no Debian tree with cloud-init: ${messageOf(error).slice(0, 200)}`,
  )
}

const skip = await whyNot()
if (skip === false) {
  t.teardown(removeNetwork)
  await buildNetwork()
}

function isOurs(t: Test, files: Files): void {
  const { datasource, errors } = JSON.parse(files['/run/cloud-init/result.json'] ?? '{"v1":{}}').v1
  if (!t.match(datasource, /^DataSourceNoCloudNet /)) t.comment(files['/run/output'])
  t.strictSame(errors, [])
  t.equal(files['/var/lib/cloud/data/instance-id']?.trim(), mac)
  t.equal(files['/etc/hostname']?.trim(), 'node-1')
  t.strictSame(JSON.parse(files['/run/cloud-init/instance-data.json']!).v1.public_ssh_keys, [
    'ssh-ed25519 AAAA one',
  ])
}

function hasUserData(t: Test, files: Files, stages: Record<string, unknown>[]): void {
  t.equal(files['/var/lib/cloud/instance/user-data.txt'], userData)
  t.equal(files['/var/lib/cloud/instance/vendor-data.txt'], vendorData)
  t.equal(files['/etc/ironwake/told'], 'node-1')
  t.match(stages, [
    { stage: 'metadata', path: 'meta-data' },
    { stage: 'metadata', path: 'user-data' },
    { stage: 'phone-home', hostname: 'node-1', instanceId: mac },
  ])
}

const seed = `http://${server}:7172/nocloud/`
const config = `datasource_list: [ NoCloud ]\ndatasource: { NoCloud: { seedfrom: "${seed}" } }\n`

t.test(
  'cloud-init 25 takes everything, the network too, from `ds=nocloud` on the command line',
  { skip },
  async (t) => {
    const { files, stages } = await boot({ suite: 'trixie', commandLine: `ro ds=nocloud;s=${seed}` })
    isOurs(t, files)
    hasUserData(t, files, stages)
    const status = JSON.parse(files['/run/cloud-init/status.json']!).v1
    t.strictSame(status.init.recoverable_errors, {}, 'no warning on the way: the schema is met')
    const { network } = parse(files['/etc/netplan/50-cloud-init.yaml']!)
    t.strictSame(network, JSON.parse(JSON.stringify(networkConfig(hardwareOf({ spec })))))
    const units = (name: string) => files[`/run/systemd/network/10-netplan-${name}`] ?? ''
    const lines = (name: string) =>
      units(name)
        .split('\n')
        .filter((line) => line.includes('='))
    t.strictSame(lines('nic0.network'), [
      `PermanentMACAddress=${mac}`,
      'LinkLocalAddressing=ipv6',
      'Address=192.168.77.21/24',
      'DNS=192.168.77.2',
      'Domains=lab.example',
      'Destination=0.0.0.0/0',
      `Gateway=${server}`,
    ])
    t.match(units('eno2.network'), 'VLAN=vlan100')
    t.match(units('vlan100.netdev'), /Kind=vlan[^]*Id=100/)
    t.match(units('vlan100.network'), /Address=10\.9\.0\.21\/16/)
    t.match(units('vlan100.network'), /Destination=0\.0\.0\.0\/0\nGateway=10\.9\.0\.1\nMetric=200/)
    t.match(units('vlan100.network'), /Destination=10\.0\.0\.0\/8\nGateway=10\.9\.0\.1/)
    t.match(units('nic2.network'), 'DHCP=ipv4')
  },
)

t.test('cloud-init 22 takes all but the network from `seedfrom` in a file', { skip }, async (t) => {
  const { files, stages } = await boot({ suite: 'bookworm', config })
  isOurs(t, files)
  hasUserData(t, files, stages)
})

t.test('a machine that may not have its user-data still is a NoCloud machine', { skip }, async (t) => {
  const sha256 = createHash('sha256').update(userData).digest('hex')
  const hardware = hardwareOf({ spec, annotations: { [releasedAnnotation]: sha256 } })
  const { files } = await boot({ suite: 'trixie', config, hardware })
  isOurs(t, files)
  t.equal(files['/var/lib/cloud/instance/user-data.txt'], '')
  t.equal(files['/var/lib/cloud/instance/vendor-data.txt'], vendorData)
})
