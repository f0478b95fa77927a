import { execFile } from 'node:child_process'
import dgram from 'node:dgram'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pino } from 'pino'
import t from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import type { Facts, Stage } from '../../src/timeline/stage.ts'
import { encode, parse } from '../../src/tftp/packet.ts'
import type { TftpPacket } from '../../src/tftp/packet.ts'
import type { TftpFile } from '../../src/tftp/blocks.ts'
import { tftpServer } from '../../src/tftp/server.ts'
import type { TftpDeps } from '../../src/tftp/server.ts'
import { ip4, machine } from '../dhcp/packets.ts'
import { tftpGet } from './client.ts'
import { randomFrom } from './random.ts'

const run = promisify(execFile)
const loopback = ip4('127.0.0.1')
const random = randomFrom(1)
const contents: Readonly<Record<string, Buffer>> = {
  'empty.bin': Buffer.alloc(0),
  'small.bin': Buffer.from('hello'),
  'even.bin': Buffer.alloc(1024, 7),
  'ipxe.efi': Buffer.from(Array.from({ length: 300_000 }, () => random(256))),
}

function inMemory(data: Buffer): TftpFile {
  return {
    size: data.length,
    read: async (offset, length) => data.subarray(offset, offset + length),
    close: () => {},
  }
}

type Server = {
  port: number
  /** stages that were recorded, oldest first */
  stages: { stage: Stage; facts: Facts }[]
  recorded(count: number): Promise<void>
}

async function withServer(change: Partial<TftpDeps>, use: (server: Server) => Promise<void>): Promise<void> {
  const stop = new AbortController()
  const stages: Server['stages'] = []
  const recorded = async (count: number) => {
    for (let wait = 0; stages.length < count && wait < 300; wait += 1) await systemClock.sleep(10)
  }
  let part: Promise<void> | undefined
  const port = new Promise<number>((resolve, reject) => {
    part = tftpServer({
      open: async (name) => (Object.hasOwn(contents, name) ? inMemory(contents[name]!) : undefined),
      machineByIp: () => machine,
      record: (_mac, stage, facts = {}) => stages.push({ stage, facts }),
      log: pino({ level: 'silent' }),
      clock: systemClock,
      address: loopback,
      port: 0,
      onListening: resolve,
      ...change,
    })(stop.signal)
    part.catch(reject)
  })
  try {
    await use({ port: await port, stages, recorded })
  } finally {
    stop.abort()
    await part
  }
}

const asks: Record<string, string>[] = [
  {},
  { blksize: '1468' },
  { tsize: '0', blksize: '1428' },
  { blksize: '1400', windowsize: '16' },
  { windowsize: '64', blksize: '65464' },
  { blksize: '8' },
]
for (const asked of asks) {
  for (const name of asked['blksize'] === '8' ? ['small.bin'] : Object.keys(contents)) {
    t.test(`${name} arrives whole with ${JSON.stringify(asked)}`, async (t) => {
      await withServer({}, async ({ port, stages, recorded }) => {
        const got = await tftpGet(port, name, asked)
        t.ok(got.data.equals(contents[name]!))
        if (asked['tsize']) t.equal(got.options.get('tsize'), String(contents[name]!.length))
        await recorded(1)
        t.match(stages, [{ stage: 'tftp-read', facts: { file: name, bytes: contents[name]!.length } }])
      })
    })
  }
}

for (const windowsize of ['1', '8']) {
  t.test(`lost datagrams are made good with a window of ${windowsize}`, async (t) => {
    await withServer({}, async ({ port }) => {
      const lossy = randomFrom(3)
      const lose = (datagram: number) => datagram === 1 || (datagram < 120 && lossy(40) === 0)
      const got = await tftpGet(port, 'ipxe.efi', { windowsize, blksize: '1400' }, lose)
      t.ok(got.data.equals(contents['ipxe.efi']!))
    })
  })
}

const refusals = [
  {
    name: 'a file that does not exist',
    request: { op: 'read', file: '../etc/passwd\u0007', mode: 'octet' },
    code: 1,
    fact: 'no such file',
  },
  {
    name: 'a write',
    request: { op: 'write', file: 'x', mode: 'octet' },
    code: 2,
    fact: 'this server is read-only',
  },
  {
    name: 'mode mail',
    request: { op: 'read', file: 'small.bin', mode: 'mail' },
    code: 4,
    fact: 'transfer mode must be octet or netascii',
  },
] as const
for (const { name, request, code, fact } of refusals) {
  t.test(`${name} is refused at once with error ${code}`, async (t) => {
    await withServer({}, async ({ port, stages }) => {
      const socket = dgram.createSocket('udp4')
      t.teardown(() => socket.close())
      socket.send(encode({ ...request, options: new Map() }), port, '127.0.0.1')
      const [bytes] = (await once(socket, 'message')) as [Buffer]
      t.match(parse(bytes), { op: 'error', code })
      t.match(stages, [{ stage: 'tftp-failed', facts: { why: fact } }])
      t.notMatch(stages[0]!.facts['file'], /\u0007/)
    })
  })
}

t.test('a file that cannot be opened, read or is cut short ends in an error', async (t) => {
  const lines: string[] = []
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) })
  const broken: Record<string, () => Promise<TftpFile>> = {
    'cannot be opened': () => Promise.reject(new Error('disk on fire')),
    'cannot be read': async () => ({
      ...inMemory(Buffer.alloc(0)),
      size: 9,
      read: () => Promise.reject(new Error('I/O')),
    }),
    'is cut short': async () => ({ ...inMemory(Buffer.alloc(100)), size: 2000 }),
  }
  for (const [name, open] of Object.entries(broken)) {
    await withServer({ open, log }, async ({ port, stages, recorded }) => {
      await t.rejects(tftpGet(port, 'x'), { message: 'the file cannot be read' }, name)
      await t.rejects(tftpGet(port, 'x'), { message: 'the file cannot be read' }, name)
      await recorded(2)
      t.match(stages, [{ stage: 'tftp-failed' }, { stage: 'tftp-failed' }])
    })
    t.ok(lines.splice(0).length <= 1, `${name}: said once`)
  }
})

t.test('netascii converts line ends, and promises no size', async (t) => {
  const open = async () => inMemory(Buffer.from('one\ntwo\r\n'))
  await withServer({ open }, async ({ port, stages, recorded }) => {
    const socket = dgram.createSocket('udp4')
    t.teardown(() => socket.close())
    const options = new Map([
      ['tsize', '0'],
      ['blksize', '8'],
    ])
    socket.send(encode({ op: 'read', file: 'x', mode: 'netascii', options }), port, '127.0.0.1')
    const [first, from] = (await once(socket, 'message')) as [Buffer, dgram.RemoteInfo]
    t.same(parse(first), { op: 'oack', options: new Map([['blksize', '8']]) })
    const pieces: Uint8Array[] = []
    for (const block of [0, 1]) {
      socket.send(encode({ op: 'ack', block }), from.port, '127.0.0.1')
      const [bytes] = (await once(socket, 'message')) as [Buffer]
      const packet = parse(bytes)
      if (typeof packet !== 'string' && packet.op === 'data') pieces.push(packet.data)
    }
    socket.send(encode({ op: 'ack', block: 2 }), from.port, '127.0.0.1')
    t.equal(Buffer.concat(pieces).toString(), 'one\r\ntwo\r\0\r\n')
    await recorded(1)
    t.match(stages, [{ stage: 'tftp-read', facts: { bytes: 12 } }])
  })
})

t.test('a stranger cannot disturb a transfer', async (t) => {
  await withServer({}, async ({ port, stages, recorded }) => {
    const client = dgram.createSocket('udp4')
    const stranger = dgram.createSocket('udp4')
    t.teardown(() => [client, stranger].map((socket) => socket.close()))
    client.send(
      encode({ op: 'read', file: 'even.bin', mode: 'octet', options: new Map() }),
      port,
      '127.0.0.1',
    )
    const [, from] = (await once(client, 'message')) as [Buffer, dgram.RemoteInfo]
    stranger.send(encode({ op: 'error', code: 0, message: 'stop' }), from.port, '127.0.0.1')
    stranger.send(encode({ op: 'ack', block: 1 }), from.port, '127.0.0.1')
    await systemClock.sleep(50)
    client.send(encode({ op: 'ack', block: 1 }), from.port, '127.0.0.1')
    const [second] = (await once(client, 'message')) as [Buffer]
    t.match(parse(second), { op: 'data', block: 2 })
    client.send(encode({ op: 'error', code: 3, message: 'disk full\n' }), from.port, '127.0.0.1')
    await recorded(1)
    t.match(stages, [{ stage: 'tftp-failed', facts: { why: 'client-error', detail: 'disk full?' } }])
  })
})

t.test('a request that is repeated starts no second transfer', async (t) => {
  let opened = 0
  const open = async () => {
    opened += 1
    return inMemory(contents['even.bin']!)
  }
  await withServer({ open }, async ({ port }) => {
    const client = dgram.createSocket('udp4')
    t.teardown(() => client.close())
    const request = encode({ op: 'read', file: 'even.bin', mode: 'octet', options: new Map() })
    for (let time = 0; time < 3; time += 1) client.send(request, port, '127.0.0.1')
    await once(client, 'message')
    await systemClock.sleep(50)
    t.equal(opened, 1)
  })
})

/** A client with one port for all it does, as in boot ROMs. */
async function withRom(
  port: number,
  use: (rom: {
    ask(asked?: Readonly<Record<string, string>>): void
    answer(from: dgram.RemoteInfo, packet: TftpPacket): void
    next(): Promise<{ packet: TftpPacket | string; from: dgram.RemoteInfo }>
  }) => Promise<void>,
): Promise<void> {
  const socket = dgram.createSocket('udp4')
  try {
    await use({
      ask: (asked = {}) => {
        const options = new Map(Object.entries(asked))
        socket.send(encode({ op: 'read', file: 'ipxe.efi', mode: 'octet', options }), port, '127.0.0.1')
      },
      answer: (from, packet) => socket.send(encode(packet), from.port, '127.0.0.1'),
      next: async () => {
        const [bytes, from] = (await once(socket, 'message')) as [Buffer, dgram.RemoteInfo]
        return { packet: parse(bytes), from }
      },
    })
  } finally {
    socket.close()
  }
}

t.test('a ROM that asks for the size and at once for the file, from the same port, gets both', async (t) => {
  await withServer({}, async ({ port }) => {
    await withRom(port, async ({ ask, next }) => {
      ask({ tsize: '0' })
      const size = await next()
      t.match(size.packet, { op: 'oack', options: new Map([['tsize', '300000']]) })
      ask({ tsize: '0', blksize: '1428' })
      const file = await next()
      t.match(file.packet, { op: 'oack', options: new Map([['blksize', '1428']]) })
      t.not(file.from.port, size.from.port)
    })
  })
})

t.test('a machine that is switched off and on again asks anew from the same port', async (t) => {
  let now = Date.now()
  const clock = { ...systemClock, now: () => now }
  await withServer({ clock, most: { transfers: 1, ofClient: 1 } }, async ({ port, stages }) => {
    await withRom(port, async ({ ask, answer, next }) => {
      ask()
      const first = await next()
      answer(first.from, { op: 'ack', block: 1 })
      t.match((await next()).packet, { op: 'data', block: 2 })
      ask()
      await systemClock.sleep(30)
      now += 5000
      ask()
      const again = await next()
      t.match(again.packet, { op: 'data', block: 1 })
      t.not(again.from.port, first.from.port, 'a new transfer')
      answer(first.from, { op: 'ack', block: 2 })
      answer(again.from, { op: 'ack', block: 1 })
      const second = await next()
      t.match(second.packet, { op: 'data', block: 2 })
      t.equal(second.from.port, again.from.port, 'the old one is over')
    })
    t.same(stages, [])
  })
})

t.test('a wait that became shorter is not slept through', async (t) => {
  await withServer({}, async ({ port }) => {
    await withRom(port, async ({ ask, answer, next }) => {
      ask({ windowsize: '2' })
      const { from } = await next()
      answer(from, { op: 'ack', block: 0 })
      t.match((await next()).packet, { op: 'data', block: 1 })
      t.match((await next()).packet, { op: 'data', block: 2 })
      const start = Date.now()
      answer(from, { op: 'ack', block: 0 })
      t.match((await next()).packet, { op: 'data', block: 1 })
      const ms = Date.now() - start
      t.ok(ms >= 45 && ms < 900, `a window that may be lost comes again after ${ms} ms`)
    })
  })
})

t.test('an error of the socket does not end the server, and is said once in a while', async (t) => {
  const sockets: dgram.Socket[] = []
  const opened = (message: unknown) => void sockets.push((message as { socket: dgram.Socket }).socket)
  subscribe('udp.socket', opened)
  t.teardown(() => unsubscribe('udp.socket', opened))
  const lines: string[] = []
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) })
  await withServer({ log }, async ({ port }) => {
    for (let time = 0; time < 9; time += 1) sockets[0]!.emit('error', new Error('recvmsg ENETDOWN'))
    t.ok((await tftpGet(port, 'small.bin')).data.equals(contents['small.bin']!))
  })
  t.equal(lines.length, 1)
  t.match(lines[0], /ENETDOWN/)
})

t.test('a client that asks for the size alone has not failed', async (t) => {
  await withServer({}, async ({ port, stages }) => {
    const client = dgram.createSocket('udp4')
    t.teardown(() => client.close())
    const asked = new Map([['tsize', '0']])
    client.send(encode({ op: 'read', file: 'ipxe.efi', mode: 'octet', options: asked }), port, '127.0.0.1')
    const [bytes, from] = (await once(client, 'message')) as [Buffer, dgram.RemoteInfo]
    t.same(parse(bytes), { op: 'oack', options: new Map([['tsize', '300000']]) })
    client.send(
      encode({ op: 'error', code: 0, message: 'User aborted the transfer' }),
      from.port,
      '127.0.0.1',
    )
    await systemClock.sleep(80)
    t.same(stages, [])
  })
})

for (const most of [
  { transfers: 4, ofClient: 2 },
  { transfers: 2, ofClient: 4 },
]) {
  t.test(`more transfers than ${JSON.stringify(most)} are refused with a clear error`, async (t) => {
    await withServer({ most }, async ({ port, stages }) => {
      const clients = Array.from({ length: 3 }, () => dgram.createSocket('udp4'))
      t.teardown(() => clients.map((client) => client.close()))
      const answers: unknown[] = []
      for (const client of clients) {
        const request = { op: 'read', file: 'even.bin', mode: 'octet', options: new Map() } as const
        client.send(encode(request), port, '127.0.0.1')
        const [bytes] = (await once(client, 'message')) as [Buffer]
        answers.push(parse(bytes))
      }
      t.match(answers, [
        { op: 'data', block: 1 },
        { op: 'data', block: 1 },
        { op: 'error', code: 0, message: 'too many transfers, try again' },
      ])
      t.match(stages, [{ stage: 'tftp-failed', facts: { why: 'too-many-transfers' } }])
    })
  })
}

t.test('from a single port everything comes from where it was asked', async (t) => {
  const seen: string[] = []
  const observe = {
    began: () => void seen.push('began'),
    ended: (outcome: string, bytes: number) => void seen.push(`${outcome} ${bytes}`),
    refused: (outcome: string) => void seen.push(outcome),
  }
  await withServer({ singlePort: true, observe }, async ({ port, recorded }) => {
    const got = await Promise.all(
      asks.filter(({ blksize }) => blksize !== '8').map((asked) => tftpGet(port, 'ipxe.efi', asked)),
    )
    for (const { data, port: from } of got) {
      t.ok(data.equals(contents['ipxe.efi']!))
      t.equal(from, port)
    }
    await t.rejects(tftpGet(port, 'none'), { message: 'no such file' })
    await recorded(got.length + 1)
    t.same(seen.filter((word) => word === 'sent 300000').length, got.length)
    t.equal(seen.at(-1), 'no-such-file')
    await withRom(port, async ({ ask, answer, next }) => {
      ask()
      const first = await next()
      answer(first.from, { op: 'ack', block: 1 })
      t.match((await next()).packet, { op: 'data', block: 2 })
      answer(first.from, { op: 'error', code: 0, message: 'enough' })
      await recorded(got.length + 2)
      t.equal(seen.at(-1), 'client-error 512')
    })
  })
})

t.test('junk does not end the server, and stopping it ends transfers in progress', async (t) => {
  await withServer({}, async ({ port }) => {
    const client = dgram.createSocket('udp4')
    t.teardown(() => client.close())
    for (const junk of ['', '\0', '\0\u0001', '\0\u0001\0\0', 'zzzzzzzz'])
      client.send(junk, port, '127.0.0.1')
    t.ok((await tftpGet(port, 'small.bin')).data.equals(contents['small.bin']!))
    client.send(
      encode({ op: 'read', file: 'even.bin', mode: 'octet', options: new Map() }),
      port,
      '127.0.0.1',
    )
    await once(client, 'message')
  })
})

t.test('an address that is not ours is a clear failure', async (t) => {
  await t.rejects(
    withServer({ address: ip4('203.0.113.9') }, async () => {}),
    { code: 'Unavailable', message: /203\.0\.113\.9/ },
  )
})

const tools = [
  {
    tool: 'curl',
    args: (port: number, out: string) => ['-sS', '-o', out, `tftp://127.0.0.1:${port}/ipxe.efi`],
  },
  {
    tool: 'tftp',
    args: (port: number, out: string) => [
      '-m',
      'binary',
      '127.0.0.1',
      String(port),
      '-c',
      'get',
      'ipxe.efi',
      out,
    ],
  },
  {
    tool: 'atftp',
    args: (port: number, out: string) => [
      '--option',
      'blksize 1428',
      '--option',
      'windowsize 8',
      '-g',
      '-r',
      'ipxe.efi',
      '-l',
      out,
      '127.0.0.1',
      String(port),
    ],
  },
  {
    tool: 'busybox',
    args: (port: number, out: string) => [
      'tftp',
      '-b',
      '1428',
      '-g',
      '-r',
      'ipxe.efi',
      '-l',
      out,
      '127.0.0.1',
      String(port),
    ],
  },
]
for (const { tool, args } of tools) {
  const skip = await run('sh', ['-c', `command -v ${tool}`]).then(
    () => false,
    () => `${tool} is not installed`,
  )
  t.test(`${tool} reads a file`, { skip }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'tftp-'))
    t.teardown(() => rm(folder, { recursive: true }))
    await withServer({}, async ({ port }) => {
      const out = join(folder, 'out')
      await run(tool, args(port, out), { timeout: 20_000 })
      t.ok((await readFile(out)).equals(contents['ipxe.efi']!))
    })
  })
}

type Tftp2 = (
  host: string,
  port: number,
) => { read(name: string, push: (piece: Buffer) => void, done: () => void): Promise<void>; close(): void }

t.test('the npm client tftp2 reads a file', async (t) => {
  await withServer({}, async ({ port }) => {
    const client = (createRequire(import.meta.url)('tftp2') as Tftp2)('127.0.0.1', port)
    const pieces: Buffer[] = []
    await client.read(
      'small.bin',
      (piece) => pieces.push(Buffer.from(piece)),
      () => {},
    )
    client.close()
    t.ok(Buffer.concat(pieces).equals(contents['small.bin']!))
  })
})
