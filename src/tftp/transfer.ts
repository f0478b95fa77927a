/** What is settled before the first block: octets per block, blocks per acknowledgement, wait before repeating. */
export type Terms = { blockSize: number; windowSize: number; waitMs: number }

export type Limits = {
  /** octets of a block at most, so that a DATA packet fits one Ethernet frame */
  blockSize: number
  windowSize: number
}

export const defaultLimits: Limits = { blockSize: 1468, windowSize: 64 }

/**
 * Answers a client's options (RFC 2347): those understood go back in an OACK with the value used, others are passed
 * over. `blksize` RFC 2348, `timeout` and `tsize` RFC 2349, `windowsize` RFC 7440.
 * @param size octets of the file
 */
export function negotiate(
  asked: ReadonlyMap<string, string>,
  size: number,
  limits: Limits = defaultLimits,
): { terms: Terms; accepted: ReadonlyMap<string, string> } {
  const blockSize = number(asked.get('blksize'), 8, 65464)
  const windowSize = number(asked.get('windowsize'), 1, 65535)
  const waitSeconds = number(asked.get('timeout'), 1, 255)
  const terms = {
    blockSize: Math.min(blockSize ?? 512, limits.blockSize),
    windowSize: Math.min(windowSize ?? 1, limits.windowSize),
    waitMs: (waitSeconds ?? 1) * 1000,
  }
  const answers: Readonly<Record<string, number | undefined>> = {
    blksize: blockSize && terms.blockSize,
    timeout: waitSeconds,
    tsize: number(asked.get('tsize'), 0, Number.MAX_SAFE_INTEGER) === undefined ? undefined : size,
    windowsize: windowSize && terms.windowSize,
  }
  const names = [...asked.keys()].filter((name) => answers[name] !== undefined)
  return { terms, accepted: new Map(names.map((name) => [name, String(answers[name])])) }
}

function number(text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined || !/^[0-9]{1,16}$/.test(text)) return undefined
  const value = Number(text)
  return value >= least && value <= most ? value : undefined
}

/**
 * One read in progress. Blocks are counted from 1 without wrapping; block 0 is the OACK.
 * `acked` is −1 while an OACK waits for its acknowledgement. `repeated` holds once a window was sent again for an
 * acknowledgement, so that further copies of it cause nothing. `tries` counts timeouts since the last progress.
 */
export type Transfer = {
  terms: Terms
  /** of the file: the last one is shorter than a block, maybe empty */
  blocks: number
  acked: number
  sent: number
  repeated: boolean
  tries: number
  waitMs: number
}

export type TransferEvent =
  | { type: 'ack'; block: number }
  | { type: 'timeout' }
  | { type: 'error'; code: number; message: string }
  /** the client's port is closed */
  | { type: 'gone' }

/** What to do next: send the OACK, send blocks `from` to `to`, or stop. `nothing` leaves the running wait alone. */
export type Step =
  | { do: 'send-options' }
  | { do: 'send'; from: number; to: number }
  | { do: 'nothing' }
  | { do: 'finish' }
  /** the client asked for the options alone, as UEFI firmware does to learn a file's size */
  | { do: 'probed' }
  | { do: 'fail'; why: 'timeout' | 'client-gone' | 'client-error'; detail: string }

const mostTries = 6
const longestWaitMs = 8000

/** @param hasOptions whether an OACK goes first */
export function begin(terms: Terms, size: number, hasOptions: boolean): { state: Transfer; step: Step } {
  const blocks = Math.floor(size / terms.blockSize) + 1
  const fresh = { terms, blocks, acked: 0, sent: 0, repeated: false, tries: 0, waitMs: terms.waitMs }
  if (hasOptions) return { state: { ...fresh, acked: -1 }, step: { do: 'send-options' } }
  return sendWindow(fresh)
}

/** One transition. What does not apply (late, duplicate) changes nothing. */
export function step(state: Transfer, event: TransferEvent): { state: Transfer; step: Step } {
  switch (event.type) {
    case 'ack':
      return acknowledged(state, event.block)
    case 'timeout':
      return timedOut(state)
    case 'gone':
      return { state, step: isLast(state) ? { do: 'finish' } : fail('client-gone', 'its port is closed') }
    case 'error':
      return { state, step: state.acked < 0 ? { do: 'probed' } : fail('client-error', event.message) }
  }
}

const fail = (why: 'timeout' | 'client-gone' | 'client-error', detail: string): Step => ({
  do: 'fail',
  why,
  detail,
})
const stay = (state: Transfer): { state: Transfer; step: Step } => ({ state, step: { do: 'nothing' } })

/** Every block is sent: a client that then falls silent has most likely got the file, and its last ACK was lost. */
const isLast = (state: Transfer): boolean => state.acked >= 0 && state.sent === state.blocks

/**
 * A copy of an acknowledgement never makes a block go out twice with a window of one (the Sorcerer's Apprentice bug,
 * RFC 1123 §4.2.3.1). In a wider window it says that the first block of the window was lost (RFC 7440 §4), once.
 */
function acknowledged(state: Transfer, wireBlock: number): { state: Transfer; step: Step } {
  const ahead = (wireBlock - state.acked) & 0xffff
  if (ahead > state.sent - state.acked) return stay(state)
  if (ahead === 0) {
    const isHole = state.terms.windowSize > 1 && state.acked >= 0 && !state.repeated
    return isHole ? sendWindow({ ...state, repeated: true }) : stay(state)
  }
  const acked = state.acked + ahead
  if (acked === state.blocks) return { state: { ...state, acked }, step: { do: 'finish' } }
  const repeated = acked < state.sent
  return sendWindow({ ...state, acked, repeated, tries: 0, waitMs: state.terms.waitMs })
}

function timedOut(state: Transfer): { state: Transfer; step: Step } {
  const tries = state.tries + 1
  if (tries >= mostTries) {
    const detail =
      state.acked < 0 ? 'no answer to the options' : `no acknowledgement of block ${state.acked + 1}`
    return { state, step: fail('timeout', detail) }
  }
  const waitMs = Math.max(state.terms.waitMs, Math.min(state.waitMs * 2, longestWaitMs))
  const waiting = { ...state, tries, waitMs, repeated: false }
  return state.acked < 0 ? { state: waiting, step: { do: 'send-options' } } : sendWindow(waiting)
}

function sendWindow(state: Transfer): { state: Transfer; step: Step } {
  const sent = Math.min(state.acked + state.terms.windowSize, state.blocks)
  return { state: { ...state, sent }, step: { do: 'send', from: state.acked + 1, to: sent } }
}
