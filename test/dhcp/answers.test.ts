import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { answerOf } from '../../src/dhcp/answer.ts'
import type { Answer } from '../../src/dhcp/answer.ts'
import { createAnswers } from '../../src/dhcp/answers.ts'
import { decide } from '../../src/dhcp/decide.ts'
import type { DhcpContext } from '../../src/dhcp/decide.ts'
import { encode } from '../../src/dhcp/encode.ts'
import { getOption, dhcpOption } from '../../src/dhcp/options/table.ts'
import { parse } from '../../src/dhcp/packet.ts'
import { macOf, readQuery } from '../../src/dhcp/query.ts'
import { macToBytes } from '../../src/model/mac.ts'
import type { Machine } from '../../src/model/machine.ts'
import type { Hardware } from '../../src/model/hardware.ts'
import { createLookup } from '../../src/store/lookup.ts'
import { dhcpMutators } from '../fuzz/dhcp-mutators.ts'
import { context, dhcpPackets, inventory } from '../fuzz/inventory.ts'
import { mutations, seed, times } from '../fuzz/mutate.ts'
import { clients, discover, ip4, mac, request, requestType, serverIp } from './packets.ts'
import type { Values } from './packets.ts'

const answers = createAnswers()

/** As it is decided without anything that was known before. */
function decided(bytes: Uint8Array, context: DhcpContext, machine: Machine | undefined) {
  const packet = parse(bytes)
  const query = typeof packet === 'string' ? packet : readQuery(packet)
  if (typeof query === 'string') return undefined
  const reply = decide(query, machine, context)
  return { answer: answerOf(query, reply), asked: { query, reply, machine, context } }
}

const said = ({ message, traces, ...rest }: Answer) => {
  const bytes = message && Buffer.from(message.bytes)
  return { ...rest, bytes, to: message?.to, traces: traces() }
}

/** The same message as a client sends it again, by another way. */
function again(bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice()
  for (const at of [3, 4, 5, 6, 7, 8, 9]) changed[at]! += 17 * at
  return changed
}

t.test(`an answer that is known is the one that is decided, seed ${seed}`, async (t) => {
  const contexts: DhcpContext[] = [
    context,
    { ...context, mode: 'proxy' },
    { ...context, mode: 'auto-proxy', door: 'proxy', strangerUrl: (mac) => `http://192.168.77.1/${mac}` },
  ]
  let [hits, round] = [0, 0]
  const look = (bytes: Uint8Array, context: DhcpContext) => {
    const sender = macOf(bytes)
    const machine = sender && inventory.get(sender)
    const fresh = decided(bytes, context, machine)
    const known = machine && answers.find(bytes, machine, context)
    if (known) hits += 1
    if (known && (!fresh || !isDeepStrictEqual(said(known), said(fresh.answer))))
      t.fail(`mutation ${round}`, { bytes: Buffer.from(bytes).toString('hex') })
    if (fresh && !known) answers.keep(bytes, fresh.asked, fresh.answer)
  }
  for (const context of contexts) for (const bytes of dhcpPackets.packets) look(bytes, context)
  for (const { bytes } of mutations(dhcpPackets, dhcpMutators)) {
    round += 1
    if (round > 20_000 * times) break
    const context = contexts[round % contexts.length]!
    look(bytes, context)
    if (bytes.length > 9) look(again(bytes), context)
  }
  t.ok(hits > 5000 * times, `${hits} answers were known`)
})

t.test('what is known of one message is not taken for another', async (t) => {
  const own = createAnswers()
  const machine = inventory.get(macOf(dhcpPackets.packets[0]!)!)!
  const bytes = encode(request({ ...discover, ...clients.ovmfPxe }, chaddrOf(machine)), 1500).bytes
  const { asked, answer } = decided(bytes, context, machine)!
  own.keep(bytes, asked, answer)
  t.ok(own.find(bytes, machine, context))
  const free = (at: number) => (at >= 3 && at < 10) || (at >= 44 && at < 236)
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = bytes.slice()
    changed[at]! ^= 1
    t.equal(own.find(changed, machine, context) !== undefined, free(at), `octet ${at}`)
  }
  for (const length of [0, 3, 10, 236, 240, bytes.length - 1])
    t.notOk(own.find(bytes.subarray(0, length), machine, context), `${length} octets`)
})

const chaddrOf = ({ mac }: Machine) => {
  const chaddr = new Uint8Array(16)
  chaddr.set(macToBytes(mac))
  return { chaddr }
}

t.test('a change is told at once', async (t) => {
  const own = createAnswers()
  const lookup = createLookup()
  const site = { nonce: 'one', context: { ...context } }
  site.context.scriptUrl = () => `http://${serverIp}/ipxe/script/${mac}/${site.nonce}/auto.ipxe`
  let version = 0
  const put = (hostname: string, netboot: object) => {
    const dhcp = { mac, hostname, ip: { address: '192.168.77.21', netmask: '255.255.255.0' } }
    const object = {
      apiVersion: 'tinkerbell.org/v1alpha1',
      kind: 'Hardware',
      metadata: { namespace: 'default', name: 'one', uid: 'u', resourceVersion: String(++version) },
      spec: { interfaces: [{ dhcp, netboot }] },
    } as unknown as Hardware
    lookup.apply({ type: 'put', version, object } as Parameters<typeof lookup.apply>[0])
  }
  /** Asks twice, of which the second answer is a known one where there may be one. */
  const ask = (values: Values, context = site.context) => {
    const bytes = encode(request(values), 1500).bytes
    const machine = lookup.machineByMac(mac)!
    const fresh = decided(bytes, context, machine)!
    const known = own.find(bytes, machine, context)
    if (!known) own.keep(bytes, fresh.asked, fresh.answer)
    const { answer } = known ? { answer: known } : fresh
    t.strictSame(said(answer), said(fresh.answer))
    const packet = parse(answer.message!.bytes)
    if (typeof packet === 'string') throw new Error(packet)
    const hostname = getOption(packet.options, dhcpOption.hostname)
    return { known: known !== undefined, hostname, file: packet.file }
  }
  const twice = (values: Values, context?: DhcpContext) => {
    t.equal(ask(values, context).known, false, 'a new answer')
    const second = ask(values, context)
    t.equal(second.known, true, 'the same once more')
    return second
  }
  const firmware = { ...discover, ...clients.ovmfPxe }
  const ipxe = { ...requestType, ...clients.seabiosIpxe }

  put('first', { allowPXE: true })
  t.match(twice(firmware), { hostname: 'first', file: 'ipxe.efi' })
  t.match(twice(ipxe).file, /one\/auto.ipxe$/)
  put('second', { allowPXE: true })
  t.match(twice(firmware), { hostname: 'second' }, 'a changed Hardware')
  put('second', { allowPXE: true, ipxe: { binary: 'own.efi' } })
  t.match(twice(firmware), { file: 'own.efi' })
  twice(ipxe)
  site.nonce = 'two'
  t.match(twice(ipxe).file, /two\/auto.ipxe$/, 'a boot that has ended: its agent has reported')
  site.context = { ...site.context, netboot: false }
  t.match(twice(firmware), { file: '' }, 'changed settings')
  site.context = { ...site.context, subnets: [{ ip: ip4('10.9.9.9'), netmask: ip4('255.255.255.0') }] }
  twice(firmware)
  const proxy: DhcpContext = { ...context, mode: 'proxy' }
  t.match(twice(firmware, proxy), { file: 'own.efi' })
  put('second', { allowPXE: false, ipxe: { binary: 'own.efi' } })
  t.match(twice(firmware, proxy).file, /netboot-not-allowed$/, 'what may be booted')
})

t.test('what is kept is bounded', async (t) => {
  const own = createAnswers(64 * 1024)
  const machine = inventory.get(macOf(dhcpPackets.packets[0]!)!)!
  const messageOf = (hops: number) =>
    encode(
      request({ ...discover, ...clients.ovmfPxe, 61: [1, hops >> 8, hops & 255] }, chaddrOf(machine)),
      1500,
    ).bytes
  const isKnown = (number: number) => own.find(messageOf(number), machine, context) !== undefined
  for (let number = 0; number < 1000; number += 1) {
    const { asked, answer } = decided(messageOf(number), context, machine)!
    own.keep(messageOf(number), asked, answer)
    t.ok(isKnown(number))
  }
  const left = Array.from({ length: 1000 }, (_, number) => number).filter(isKnown)
  t.ok(left.length <= 6, `${left.length} are known`)
  t.equal(left.at(-1), 999)
})
