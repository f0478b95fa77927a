import t from 'tap'
import { PacketReader } from '../../src/tftp/blocks.ts'
import { encode, parse } from '../../src/tftp/packet.ts'
import type { TftpPacket } from '../../src/tftp/packet.ts'
import { begin, defaultLimits, negotiate, step } from '../../src/tftp/transfer.ts'
import type { Transfer, TransferEvent } from '../../src/tftp/transfer.ts'
import { windowOf } from '../tftp/window.ts'
import { makeBootRoot, marker } from './boot-root.ts'
import type { BootRoot } from './boot-root.ts'
import { mutations, seed, shown, times } from './mutate.ts'
import { goodNames, hostileNames, tftpMutators, tftpPackets } from './tftp-mutators.ts'

const rounds = 30_000 * times
/** clients that ask at once */
const together = 50
t.setTimeout(60_000 * (1 + times))

type Verdict = 'dropped' | 'write' | 'refused' | 'served' | 'transfer'
type Request = Extract<TftpPacket, { op: 'read' | 'write' }>

function claim(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

/** Reads the file as far as the first answers of a transfer go, all of it when it is small. */
async function serve(root: BootRoot, request: Request): Promise<Verdict> {
  const file = await root.files.openBootFile(request.file)
  if (!file) return 'refused'
  try {
    const { terms, accepted } = negotiate(request.options, file.size)
    claim(
      terms.blockSize >= 8 && terms.blockSize <= defaultLimits.blockSize,
      `blocks of ${terms.blockSize} octets`,
    )
    claim(
      terms.windowSize >= 1 && terms.windowSize <= defaultLimits.windowSize,
      `window of ${terms.windowSize}`,
    )
    claim(terms.waitMs >= 1000 && terms.waitMs <= 255_000, `a wait of ${terms.waitMs} ms`)
    for (const name of accepted.keys()) claim(request.options.has(name), `option ${name} was not asked for`)
    claim(encode({ op: 'oack', options: accepted }).length <= 512, 'a long OACK')
    const first = begin(terms, file.size, accepted.size > 0)
    const window = Math.min(first.state.blocks, terms.windowSize)
    const packets = await windowOf(new PacketReader(file, terms), 1, window)
    const text = Buffer.concat(packets.map((packet) => packet.subarray(4))).toString()
    const whole = [...root.contents].filter((contents) => contents.length === file.size)
    claim(
      !text.includes(marker) && whole.some((contents) => contents.startsWith(text)),
      `gave out "${text.slice(0, 40)}"`,
    )
    return 'served'
  } finally {
    await file.close()
  }
}

/** A transfer that gets whatever comes: it must stay within its file and its window. */
function createVictim(): { hear(packet: TftpPacket): void } {
  const fresh = (): Transfer =>
    begin({ blockSize: 512, windowSize: 16, waitMs: 1000 }, 512 * 70_000, true).state
  let state = fresh()
  return {
    hear(packet) {
      const after = step(state, eventOf(packet))
      claim(
        after.state.acked <= after.state.sent && after.state.sent <= after.state.blocks,
        'acknowledged more than was sent',
      )
      const next = after.step
      if (next.do === 'send') {
        claim(next.from >= 1 && next.to <= state.blocks, `sends blocks ${next.from} to ${next.to}`)
        claim(next.to - next.from < state.terms.windowSize, 'sends more than a window')
      }
      state = ['finish', 'fail', 'probed'].includes(next.do) ? fresh() : after.state
    },
  }
}

function eventOf(packet: TftpPacket): TransferEvent {
  if (packet.op === 'ack') return { type: 'ack', block: packet.block }
  if (packet.op === 'error') return { type: 'error', code: packet.code, message: packet.message }
  return { type: 'timeout' }
}

t.test('every good name is served, and no hostile one', async (t) => {
  using root = makeBootRoot()
  const ask = (file: string) => serve(root, { op: 'read', file, mode: 'octet', options: new Map() })
  for (const name of goodNames) t.equal(await ask(name), 'served', name)
  for (const name of hostileNames(root.outside))
    t.equal(await ask(name), 'refused', JSON.stringify(name.slice(0, 60)))
})

t.test(`${rounds} mutated TFTP messages never lead out of the boot root, seed ${seed}`, async (t) => {
  using root = makeBootRoot()
  const before = root.fingerprint()
  const victim = createVictim()
  const counts: Record<Verdict, number> = { dropped: 0, write: 0, refused: 0, served: 0, transfer: 0 }
  const judge = async (bytes: Uint8Array): Promise<Verdict> => {
    const packet = parse(bytes)
    if (typeof packet === 'string') return 'dropped'
    if (packet.op === 'read') return serve(root, packet)
    if (packet.op === 'write') return 'write'
    victim.hear(packet)
    return 'transfer'
  }
  const startedAt = performance.now()
  const all = mutations(tftpPackets, tftpMutators(root.outside))
  for (let round = 0; round < rounds; round += together) {
    const some = Array.from({ length: together }, () => all.next().value!)
    const verdicts = some.map(async (mutation) => ({
      mutation,
      verdict: await judge(mutation.bytes).catch(String),
    }))
    for (const { mutation, verdict } of await Promise.all(verdicts)) {
      if (!(verdict in counts))
        return t.fail(`mutation near ${round} of seed ${seed}: ${verdict}`, { packet: shown(mutation) })
      counts[verdict as Verdict] += 1
    }
  }
  t.comment(`seed ${seed}: ${JSON.stringify(counts)} in ${Math.round(performance.now() - startedAt)} ms`)
  t.equal(root.fingerprint(), before, 'nothing was written')
  for (const [verdict, count] of Object.entries(counts)) t.ok(count > rounds / 1000, `${verdict}: ${count}`)
})
