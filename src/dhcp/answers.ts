import type { Machine } from '../model/machine.ts'
import type { Answer, Message } from './answer.ts'
import { dhcpOption } from './options/table.ts'
import { layout } from './packet.ts'
import type { Query } from './query.ts'
import type { DhcpContext, Reply } from './reply.ts'

/**
 * Answers that were given, for machines that ask the same again: a decision depends on nothing but the message, the
 * machine and the context, so while these are the same the answer is, but for the transaction.
 */
export type Answers = {
  /**
   * The answer to a message that came before from this machine, with this one's transaction written into its octets:
   * they are sent, or copied, before the next call.
   * @param bytes of any length
   */
  find(bytes: Uint8Array, machine: Machine, context: DhcpContext): Answer | undefined
  /** Keeps an answer if it may be given again. @param bytes from which `query` was read @returns it, as it is kept */
  keep(bytes: Uint8Array, asked: Asked, answer: Answer): Answer
}

export type Asked = { query: Query; reply: Reply; machine: Machine | undefined; context: DhcpContext }

/** `url`: of the script that the answer names, which holds only as long as that is the machine's */
type Kept = { context: DhcpContext; key: Uint8Array; url: string | undefined; answer: Answer }

/** what firmware, iPXE and the system ask */
const mostOfMachine = 6
/** octets of messages, about; beyond it everything is forgotten, and decided anew */
const mostOctets = 32 << 20
const overhead = 512

export function createAnswers(limit = mostOctets): Answers {
  let byMachine = new WeakMap<Machine, Kept[]>()
  let octets = 0

  function makeRoom(size: number): void {
    octets += size + overhead
    if (octets <= limit) return
    byMachine = new WeakMap()
    octets = size + overhead
  }

  return {
    find(bytes, machine, context) {
      const kept = byMachine.get(machine)
      if (!kept) return undefined
      for (const { key, answer, url, context: then } of kept) {
        if (then !== context || !isKeyOf(key, bytes)) continue
        if (url !== undefined && url !== context.scriptUrl(machine)) return undefined
        copyXid(bytes, answer.message!.bytes)
        return answer
      }
      return undefined
    },
    keep(bytes, { query, reply, machine, context }, answer) {
      const { message } = answer
      if (!machine || !message || !mayRepeat(query, reply, message, context)) return answer
      const key = keyOf(bytes)
      makeRoom(key.length + message.bytes.length)
      const traces = answer.traces().map(({ stage, facts }) => ({ stage, facts: Object.freeze(facts) }))
      const url = isScript(reply) ? context.scriptUrl(machine) : undefined
      const one: Kept = { context, key, url, answer: { ...answer, traces: () => traces } }
      const isOther = (kept: Kept) => kept.context !== context || !isKeyOf(kept.key, bytes)
      const others = byMachine.get(machine)?.filter(isOther) ?? []
      byMachine.set(machine, [one, ...others].slice(0, mostOfMachine))
      return one.answer
    },
  }
}

/** A lease of the pool changes with each answer, a trace with each boot; a refusal and a message that is too full are worth a look each time. */
function mayRepeat(query: Query, reply: Reply, { leftOut }: Message, { pool }: DhcpContext): boolean {
  const isGiven = reply.kind === 'offer' || reply.kind === 'ack'
  const isOverloaded = query.packet.options.has(dhcpOption.overload.code)
  if (isGiven && reply.boot.kind !== 'none' && reply.boot.trace) return false
  return isGiven && reply.change === undefined && !pool && !isOverloaded && leftOut.length === 0
}

const isScript = (reply: Reply): boolean =>
  (reply.kind === 'offer' || reply.kind === 'ack') && reply.boot.kind === 'script'

const transaction = 4
const flags = 10

/**
 * What decides of a message: `op`, `htype` and `hlen`; from the flags to `chaddr`; the cookie and the options. Not hops,
 * transaction and seconds, nor `sname` and `file`, which say something with option 52 only.
 */
const parts = [
  { from: 0, to: 3 },
  { from: flags, to: layout.sname.start },
  { from: layout.cookie.start, to: Number.POSITIVE_INFINITY },
] as const
const left = flags - 3 + layout.cookie.start - layout.sname.start

function keyOf(bytes: Uint8Array): Uint8Array {
  const key = new Uint8Array(bytes.length - left)
  let at = 0
  for (const { from, to } of parts) {
    const part = bytes.subarray(from, Math.min(to, bytes.length))
    key.set(part, at)
    at += part.length
  }
  return key
}

/** @param key of a whole message */
function isKeyOf(key: Uint8Array, bytes: Uint8Array): boolean {
  if (bytes.length !== key.length + left) return false
  let before = 0
  for (const { from, to } of parts) {
    const end = Math.min(to, bytes.length)
    for (let at = from; at < end; at += 1) if (bytes[at] !== key[at - from + before]) return false
    before += end - from
  }
  return true
}

function copyXid(from: Uint8Array, to: Uint8Array): void {
  for (let at = transaction; at < transaction + 4; at += 1) to[at] = from[at]!
}
