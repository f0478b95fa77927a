import { randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Mac } from '../../src/model/mac.ts'
import type { Facts, Stage } from '../../src/timeline/stage.ts'
import { ip4, machine } from '../dhcp/packets.ts'
import { texts } from '../boot/things.ts'
import { encode, parse } from '../../src/tftp/packet.ts'
import { randomFrom } from '../tftp/random.ts'
import { bootNames, digest, ipxeFolder, pathOf } from './boot-files.ts'
import { startBoot } from './boot-servers.ts'
import { poorWay } from './poor-way.ts'
import type { Datagram, Fate } from './poor-way.ts'
import { absent } from './spaces.ts'
import { atftpWide, atftpWindow, textClients, tftpClients, tftpHpa } from './tftp-clients.ts'

const folder = await mkdtemp(join(tmpdir(), 'interop-tftp-'))
t.teardown(() => rm(folder, { recursive: true }))
t.jobs = 4

/** Octets around the borders of blocks of 512, 1428 and 1468. */
const sizes = [0, 1, 511, 512, 513, 1427, 1428, 1429, 1467, 1468, 1469, 20_000, 100_000]
for (const size of sizes) await writeFile(join(folder, `size-${size}`), randomBytes(size))
const ipxeDir = await ipxeFolder(folder)
const autoexec = join(folder, 'autoexec')
await writeFile(autoexec, texts.autoexec)

const recorded: { stage: Stage; facts: Facts }[] = []
const setup = {
  dirs: { ipxeDir, osDir: folder, imageDir: folder },
  address: ip4('127.0.0.1'),
  tftpPort: 0,
  httpPort: 0,
  machineByIp: () => machine,
  record: (_mac: Mac, stage: Stage, facts: Facts = {}) => void recorded.push({ stage, facts }),
}
const boot = await startBoot(setup)
t.teardown(() => boot[Symbol.asyncDispose]())
const single = await startBoot({ ...setup, singlePort: true })
t.teardown(() => single[Symbol.asyncDispose]())

/** Every name that a client may ask for, and the file that is meant. */
const trace = '-00-23b1e307bb35484f535a1f772c06910e-d887dc3912240434-01'
const names = new Map([
  ...bootNames.map((name) => [name, pathOf(ipxeDir, name)] as const),
  ['autoexec.ipxe', autoexec],
  [`${machine.mac}/${bootNames[0]}`, pathOf(ipxeDir, bootNames[0]!)],
  [`${bootNames[0]}${trace}`, pathOf(ipxeDir, bootNames[0]!)],
  ...sizes.map((size) => [`os/size-${size}`, join(folder, `size-${size}`)] as const),
])

const ways = [
  { servers: boot, from: 'ports of their own' },
  { servers: single, from: 'a single port' },
]
for (const [index, { client, servers, from }] of ways
  .flatMap((way) => tftpClients.map((client) => ({ ...way, client })))
  .entries()) {
  const options = { skip: await absent(...client.programs), buffered: true }
  t.test(`${client.name} gets every boot file whole from ${from}`, options, async (t) => {
    const local = join(folder, `out-${index}`)
    for (const [name, path] of names) {
      if (client.takes?.({ name, size: statSync(path).size }) === false) continue
      await client.get(servers.tftpPort, name, local)
      const failed = recorded.filter(({ stage }) => stage === 'tftp-failed').slice(-3)
      t.equal(digest(local), digest(path), name, { size: statSync(local).size, failed })
      await rm(local)
    }
  })
}

const text = Buffer.from(Array.from({ length: 30_000 }, (_, index) => `line ${index}\n`).join(''))
await writeFile(join(folder, 'text'), text)
for (const [index, client] of textClients.entries()) {
  const options = { skip: await absent(...client.programs), buffered: true }
  t.test(`${client.name} gets a text with its lines as they are`, options, async (t) => {
    const local = join(folder, `text-${index}`)
    await client.get(boot.tftpPort, 'os/text', local)
    t.equal(digest(local), digest(join(folder, 'text')))
  })
}

const skipHpa = await absent(...tftpHpa.programs)
const skipAtftp = await absent(...atftpWide.programs)
// the last block is an empty one with the number 0; the number 1 is there a second time
for (const { client, skip, size } of [
  { client: tftpHpa, skip: skipHpa, size: 65_536 * 512 + 100 },
  { client: atftpWindow, skip: skipAtftp, size: 65_535 * 512 },
]) {
  t.test(`${client.name} gets a file of more than 65535 blocks`, { skip, buffered: true }, async (t) => {
    const local = join(folder, `beyond-${client.programs[0]}`)
    const path = join(folder, `size-${size}`)
    await writeFile(path, randomBytes(size))
    await client.get(boot.tftpPort, `os/size-${size}`, local)
    t.equal(digest(local), digest(path))
  })
}

/** A way that loses, doubles and delays one datagram in twenty each. */
const poor = (random: (below: number) => number) => (): Fate => {
  const draw = random(60)
  if (draw < 3) return 0
  return draw < 6 ? 2 : draw < 9 ? 'late' : 1
}

for (const { servers, from } of ways) {
  for (const { client, skip, file } of [
    { client: tftpHpa, skip: skipHpa, file: 'os/size-20000' },
    { client: atftpWide, skip: skipAtftp, file: 'snponly.efi' },
  ]) {
    const what = `${client.name} gets a file whole from ${from} over a network that loses, doubles and reorders`
    t.test(what, { skip, buffered: true }, async (t) => {
      using way = await poorWay(servers.tftpPort, poor(randomFrom(3)))
      const local = join(folder, `lossy-${client.programs[0]}-${from.length}`)
      await client.get(way.port, file, local)
      t.equal(digest(local), digest(names.get(file) ?? join(folder, file.slice('os/'.length))))
      t.comment(`${way.lost()} were lost, ${way.overtaken()} overtaken`)
      t.ok(way.lost() > 0)
    })
  }
}

const skipWindow = { skip: skipAtftp, buffered: true }
t.test('an acknowledgement that arrives twice does not double what follows', skipWindow, async (t) => {
  const blocks = Math.floor(100_000 / 512) + 1
  let acks = 0
  const isThirdAck = ({ bytes }: Datagram) => bytes[1] === 4 && ++acks === 3
  using way = await poorWay(boot.tftpPort, (datagram) => (isThirdAck(datagram) ? 2 : 1))
  const local = join(folder, 'doubled')
  await atftpWindow.get(way.port, 'os/size-100000', local)
  t.equal(digest(local), digest(join(folder, 'size-100000')))
  t.ok(way.passed() < 1.4 * blocks, `${way.passed()} datagrams for ${blocks} blocks`)
})

t.test('a block that is lost after another one was repeated is repeated as soon', async (t) => {
  const client = dgram.createSocket('udp4')
  t.teardown(() => client.close())
  const received = async (block: number) => {
    const [bytes, from] = (await once(client, 'message')) as [Buffer, dgram.RemoteInfo]
    t.match(parse(bytes), { op: 'data', block })
    return from.port
  }
  const request = { op: 'read', file: 'os/size-1429', mode: 'octet', options: new Map() } as const
  client.send(encode(request), boot.tftpPort, '127.0.0.1')
  await received(1)
  const peer = await received(1)
  client.send(encode({ op: 'ack', block: 1 }), peer, '127.0.0.1')
  await received(2)
  const sent = performance.now()
  await received(2)
  t.ok(performance.now() - sent < 1700, `after ${Math.round(performance.now() - sent)} ms`)
  client.send(encode({ op: 'error', code: 0, message: 'enough' }), peer, '127.0.0.1')
})
