import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import { mac } from '../dhcp/packets.ts'

const run = promisify(execFile)
const serve = fileURLToPath(new URL('dhcp-serve.ts', import.meta.url))
const id = `iw${process.pid}`
const spaces = { server: `${id}s`, relay: `${id}r`, client: `${id}c` }
const folder = await mkdtemp(join(tmpdir(), 'dhcp-'))

const ip = (...words: string[]) => run('ip', words)
const inSpace = (space: string, ...words: string[]) =>
  run('ip', ['netns', 'exec', space, ...words], { timeout: 30_000 })
const isMissing = async (tool: string): Promise<string | false> =>
  run('sh', ['-c', `command -v ${tool}`]).then(
    () => false,
    () => `${tool} is not installed`,
  )

/** server (192.168.77.1) — relay (192.168.77.5, 10.77.1.1) — far client; and a near client beside the server. */
async function buildNetwork(): Promise<void> {
  for (const space of Object.values(spaces)) {
    await ip('netns', 'add', space)
    await ip('-n', space, 'link', 'set', 'lo', 'up')
  }
  const pair = (a: string, spaceA: string, b: string, spaceB: string) =>
    ip('link', 'add', a, 'netns', spaceA, 'type', 'veth', 'peer', 'name', b, 'netns', spaceB)
  await pair('near', spaces.server, 'c0', spaces.client)
  await pair('far', spaces.server, 'up0', spaces.relay)
  await pair('down0', spaces.relay, 'c1', spaces.client)
  const links: [space: string, link: string, address?: string][] = [
    [spaces.server, 'near', '192.168.77.1/24'],
    [spaces.server, 'far', '192.168.78.1/24'],
    [spaces.relay, 'up0', '192.168.78.5/24'],
    [spaces.relay, 'down0', '10.77.1.1/24'],
    [spaces.client, 'c0'],
  ]
  for (const [space, link, address] of links) {
    if (address) await ip('-n', space, 'addr', 'add', address, 'dev', link)
    await ip('-n', space, 'link', 'set', link, 'up')
  }
  await ip('-n', spaces.client, 'link', 'set', 'c0', 'address', mac)
  await ip('-n', spaces.server, 'route', 'add', '10.77.1.0/24', 'via', '192.168.78.5')
  await inSpace(spaces.relay, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')
}

async function removeNetwork(): Promise<void> {
  for (const space of Object.values(spaces)) await ip('netns', 'del', space).catch(() => {})
  await rm(folder, { recursive: true, force: true })
}

type Server = { stages: Record<string, unknown>[] }

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function withServer(words: string[], use: (server: Server) => Promise<void>): Promise<void> {
  const child = spawn('ip', [
    'netns',
    'exec',
    spaces.server,
    process.execPath,
    '--import=tsx',
    serve,
    ...words,
  ])
  const stages: Server['stages'] = []
  const faults: string[] = []
  child.stderr.on('data', (text) => faults.push(String(text)))
  try {
    const lines = createInterface(child.stdout)
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`the server ended: ${faults.join('')}`)))
      lines.on('line', (line) => (line === 'listening' ? resolve() : stages.push(JSON.parse(line))))
    })
    await use({ stages })
  } finally {
    await end(child)
  }
}

const script = join(folder, 'bound')
const bound = async () => {
  await writeFile(script, '#!/bin/sh\ncase "$1$reason" in bound*|*BOUND|*REBOOT) env;; esac\nexit 0\n')
  await chmod(script, 0o755)
}
const udhcpc = (device: string, ...more: string[]) =>
  inSpace(
    spaces.client,
    'busybox',
    'udhcpc',
    '-i',
    device,
    '-n',
    '-q',
    '-f',
    '-t',
    '5',
    '-T',
    '1',
    '-s',
    script,
    ...more,
  )

const noRoot = process.getuid?.() !== 0 && 'network namespaces need root'
const noNetwork = noRoot || (await isMissing('ip'))
const skip = noNetwork || (await isMissing('busybox'))
if (!noNetwork) {
  t.teardown(removeNetwork)
  await buildNetwork().catch(async (error: unknown) => {
    await removeNetwork()
    throw error
  })
  await bound()
}

const ways = [
  { name: 'tied to the interface', words: ['192.168.77.1', '192.168.77.21', 'near'] },
  { name: 'tied to two interfaces', words: ['192.168.77.1', '192.168.77.21', 'far', 'near'] },
  { name: 'tied to none, with no default route', words: ['192.168.77.1', '192.168.77.21'] },
]
for (const { name, words } of ways) {
  t.test(`udhcpc gets its reservation from a server ${name}`, { skip }, async (t) => {
    await withServer(words, async ({ stages }) => {
      const { stdout } = await udhcpc('c0')
      for (const line of [
        'ip=192.168.77.21',
        'router=192.168.77.1',
        'hostname=node1',
        'lease=3600',
        'mask=24',
      ]) {
        t.match(stdout, line)
      }
      t.same(
        stages.map(({ stage }) => stage),
        ['dhcp-discover', 'dhcp-offer', 'dhcp-request', 'dhcp-ack'],
      )
    })
  })
}

t.test('a client that says it is UEFI firmware is told to boot iPXE', { skip }, async (t) => {
  await withServer(['192.168.77.1', '192.168.77.21', 'near'], async () => {
    const { stdout } = await udhcpc('c0', '-x', '0x5d:0007', '-V', 'PXEClient:Arch:00007:UNDI:003016')
    t.match(stdout, 'boot_file=ipxe.efi')
    t.match(stdout, 'siaddr=192.168.77.1')
  })
})

t.test('a machine that is not known gets nothing', { skip }, async (t) => {
  await ip('-n', spaces.client, 'link', 'set', 'c0', 'address', '52:54:00:00:00:99')
  t.teardown(() => ip('-n', spaces.client, 'link', 'set', 'c0', 'address', mac))
  await withServer(['192.168.77.1', '192.168.77.21', 'near'], async ({ stages }) => {
    await t.rejects(udhcpc('c0', '-t', '2'))
    t.match(stages, [{ stage: 'dhcp-discover' }, { stage: 'dhcp-silent', why: 'unknown-machine' }])
  })
})

const skipDhclient = noNetwork || (await isMissing('dhclient'))
t.test(
  'dhclient is refused an old address, gets its reservation and releases it',
  { skip: skipDhclient },
  async (t) => {
    const files = { lease: join(folder, 'lease'), pid: join(folder, 'pid') }
    const dhclient = (...words: string[]) =>
      inSpace(
        spaces.client,
        'dhclient',
        '-4',
        '-1',
        '-d',
        '-lf',
        files.lease,
        '-pf',
        files.pid,
        '-sf',
        script,
        ...words,
      )
    const oldLease = (address: string) =>
      `lease {\n interface "c0";\n fixed-address ${address};\n option subnet-mask 255.255.255.0;\n` +
      ' option dhcp-lease-time 86400;\n option dhcp-server-identifier 192.168.77.1;\n' +
      ' renew 0 2037/01/01 00:00:00;\n rebind 0 2037/01/02 00:00:00;\n expire 0 2037/01/03 00:00:00;\n}\n'
    await writeFile(files.lease, oldLease('192.168.77.99'))
    await withServer(['192.168.77.1', '192.168.77.21', 'near'], async ({ stages }) => {
      const running = spawn('ip', [
        'netns',
        'exec',
        spaces.client,
        'dhclient',
        '-4',
        '-1',
        '-d',
        '-lf',
        files.lease,
        '-pf',
        files.pid,
        '-sf',
        script,
        'c0',
      ])
      try {
        for (let wait = 0; !stages.some(({ stage }) => stage === 'dhcp-ack') && wait < 150; wait += 1) {
          await systemClock.sleep(100)
        }
      } finally {
        await end(running)
      }
      t.same(
        stages.map(({ stage }) => stage),
        ['dhcp-request', 'dhcp-nak', 'dhcp-discover', 'dhcp-offer', 'dhcp-request', 'dhcp-ack'],
      )
      await ip('-n', spaces.client, 'addr', 'add', '192.168.77.21/24', 'dev', 'c0')
      t.teardown(() => ip('-n', spaces.client, 'addr', 'flush', 'dev', 'c0'))
      await dhclient('-r', 'c0')
      await systemClock.sleep(200)
      t.match(stages.at(-1), { stage: 'dhcp-silent', why: 'released' })
    })
  },
)

const skipRelay = skip || (await isMissing('dhcrelay'))
t.test('a client behind a relay that adds option 82 gets its reservation', { skip: skipRelay }, async (t) => {
  await ip('-n', spaces.client, 'link', 'set', 'c0', 'down')
  await ip('-n', spaces.client, 'link', 'set', 'c1', 'address', mac)
  await ip('-n', spaces.client, 'link', 'set', 'c1', 'up')
  await withServer(['192.168.78.1', '10.77.1.21', 'far'], async ({ stages }) => {
    const words = [
      '-4',
      '-d',
      '-a',
      '-D',
      '-pf',
      join(folder, 'relay'),
      '-id',
      'down0',
      '-iu',
      'up0',
      '192.168.78.1',
    ]
    const relay = spawn('ip', ['netns', 'exec', spaces.relay, 'dhcrelay', ...words])
    try {
      await once(relay.stderr, 'data')
      await systemClock.sleep(300)
      const { stdout } = await udhcpc('c1', '-t', '8')
      t.match(stdout, 'ip=10.77.1.21')
      t.match(stages[0], { stage: 'dhcp-discover', relay: '10.77.1.1' })
    } finally {
      await end(relay)
    }
  })
})
