import { messageOf } from '../model/error.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import { answerOf } from './answer.ts'
import type { Answer, Message } from './answer.ts'
import { createAnswers } from './answers.ts'
import type { Link } from './channels.ts'
import { contexts } from './contexts.ts'
import type { Door } from './contexts.ts'
import type { Send, Sender } from './datagrams.ts'
import { decide } from './decide.ts'
import type { DhcpDeps } from './deps.ts'
import { createGate } from './gate.ts'
import { createNotes } from './notes.ts'
import { broadcastIp, parse, unsetIp, xidOf } from './packet.ts'
import { macOf, readQuery } from './query.ts'
import type { Query } from './query.ts'
import { silent } from './reply.ts'
import type { Reply } from './reply.ts'

/** Where messages come in and answers go out. `port` is the server's. */
export type Way = { port: number; send: Send; link: Link; door: Door }

/** A message that came: `bytes` are there until the answer, ms of `performance.now`. */
export type Heard = { bytes: Uint8Array; from: Sender; way: Way; startedAt: number }

/**
 * An offer of the proxy modes goes out twice: a client that has heard the other server asks no more, so that the one
 * offer, were it lost, would be missed for good. Clients gather offers for a second at least; ms.
 */
const repeatMs = 150
/** Second offers that wait; beyond that there are none. */
const mostRepeats = 4096

/** @returns what answers messages. No message makes it throw. */
export function answerer(deps: DhcpDeps): (heard: Heard) => void {
  const { log, clock, observe } = deps
  const notes = createNotes(deps)
  const gate = createGate({ perSecond: 0, burst: 1, ...deps.clientRate, maxClients: 16_384 })
  const answers = createAnswers()
  const contextOf = contexts(deps)

  const send = (mac: Mac, { bytes, leftOut, to }: Message, { from, way }: Heard) => {
    if (leftOut.length > 0 && notes.maySay(`${mac} ${leftOut.join()}`))
      log.warn({ mac, leftOut }, 'dhcp options do not fit, and are left out')
    const { ip, port } = addressOf(to, from, way.port)
    way.send(bytes, ip, port, (error) => {
      if (notes.mayComplain(error))
        log.warn({ mac, to: `${ip}:${port}`, error }, 'a dhcp reply cannot be sent')
    })
  }

  let repeats = 0
  const repeat = (mac: Mac, message: Message, heard: Heard) => {
    if (repeats >= mostRepeats) return
    repeats++
    // kept answers are written to again
    const again = { ...message, bytes: Uint8Array.from(message.bytes) }
    setTimeout(() => {
      repeats--
      send(mac, again, heard)
    }, repeatMs).unref()
  }
  const isProxy = deps.mode === 'proxy' || deps.mode === 'auto-proxy'

  const finish = (answer: Answer, mac: Mac, machine: Machine | undefined, heard: Heard) => {
    if (log.isLevelEnabled('debug'))
      log.debug({ mac, xid: xidOf(heard.bytes), traces: answer.traces() }, 'dhcp decided')
    notes.decided(mac, answer, machine, heard.way.link.device)
    if (answer.message) send(mac, answer.message, heard)
    if (answer.message && isProxy && answer.outcome === 'offer') repeat(mac, answer.message, heard)
    observe?.(answer.type, answer.outcome, performance.now() - heard.startedAt)
  }

  /** What was answered before, for a machine that asks the same again. */
  const known = ({ bytes, way }: Heard) => {
    const mac = macOf(bytes)
    const machine = mac && deps.machineByMac(mac)
    const answer = machine && answers.find(bytes, machine, contextOf(way.link, way.door, machine))
    return answer && { machine, answer }
  }

  const answerAnew = (query: Query, heard: Heard, mayAsk: boolean) => {
    const machine = deps.machineByMac(query.mac)
    // the same object each time is found sooner, and kept once
    const mac = machine?.mac ?? query.mac
    if (!mayAsk) return finish(answerOf(query, silent('rate-limited')), mac, machine, heard)
    deps.elsewhere?.hear(query, machine !== undefined, clock.now())
    const { link, door } = heard.way
    const judge = (): Reply =>
      !machine && deps.ready?.() === false
        ? silent('not-ready')
        : decide(query, machine, contextOf(link, door, machine))
    const done = (reply: Reply) => {
      const asked = { query, reply, machine, context: contextOf(link, door, machine) }
      finish(answers.keep(heard.bytes, asked, answerOf(query, reply)), mac, machine, heard)
    }
    const reply = judge()
    if (!deps.pool || !('change' in reply)) return done(reply)
    deps.pool.keeper.carryOut(mac, reply, judge, done)
  }

  const answer = (heard: Heard) => {
    const before = known(heard)
    if (before && gate.allow(before.machine.mac, clock.now()))
      return finish(before.answer, before.machine.mac, before.machine, heard)
    // an answer may take its time, the octets do not wait
    const bytes = Uint8Array.from(heard.bytes)
    const packet = parse(bytes)
    const query = typeof packet === 'string' ? packet : readQuery(packet)
    if (typeof query === 'string') {
      observe?.('none', 'dropped', performance.now() - heard.startedAt)
      return log.debug({ from: heard.from.address, why: query }, 'dhcp packet dropped')
    }
    const mayAsk = !before && gate.allow(query.mac, clock.now())
    answerAnew(query, { ...heard, bytes }, mayAsk)
  }

  return (heard) => {
    try {
      answer(heard)
    } catch (error) {
      if (notes.mayComplain(messageOf(error))) log.error({ error: messageOf(error) }, 'a dhcp packet failed')
    }
  }
}

/**
 * A client that has an address is answered where it sent from, by a relay or on a port of its own.
 * @param ownPort the server's, which relays listen on too; clients are on the next one
 */
function addressOf(to: Message['to'], from: Sender, ownPort: number): { ip: Ip4; port: number } {
  if (to.role !== 'sender') return { ip: to.ip, port: to.role === 'relay' ? ownPort : ownPort + 1 }
  return { ip: from.address === unsetIp ? broadcastIp : (from.address as Ip4), port: from.port }
}
