/**
 * What is settled before the first block: octets per block, blocks per acknowledgement, the longest wait before repeating,
 * which is shortened once it is known how fast the client answers (RFC 1123 §4.2.3.2).
 */
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
 * @param size octets of the transfer; `undefined` = not told to the client
 */
export function negotiate(
  asked: ReadonlyMap<string, string>,
  size: number | undefined,
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
 * `acked` is −1 while an OACK waits for its acknowledgement. `hole` holds while a copy of an acknowledgement may mean that
 * the window behind it was lost, `repeated` once a window was sent again, so that further copies cause nothing. `tries` counts timeouts since the last progress, which
 * have taken `waitedMs`. `tripMs` is how long an answer takes, smoothed; unknown until one was measured.
 */
export type Transfer = {
  terms: Terms
  /** of the file: the last one is shorter than a block, maybe empty */
  blocks: number
  acked: number
  sent: number
  hole: boolean
  repeated: boolean
  tries: number
  waitMs: number
  waitedMs: number
  tripMs: number | undefined
}

export type TransferEvent =
  /** `afterMs`: since the blocks were sent */
  | { type: 'ack'; block: number; afterMs?: number }
  | { type: 'timeout' }
  | { type: 'error'; code: number; message: string }
  /** the client's port is closed */
  | { type: 'gone' }

/** What to do next: send the OACK, send blocks `from` to `to`, or stop. `nothing` leaves the running wait alone. */
export type Step =
  | { do: 'send-options' }
  | { do: 'send'; from: number; to: number }
  /** end the running wait in `ms`, unless it ends before */
  | { do: 'hasten'; ms: number }
  | { do: 'nothing' }
  | { do: 'finish' }
  /** the client asked for the options alone, as UEFI firmware does to learn a file's size */
  | { do: 'probed' }
  | { do: 'fail'; why: 'timeout' | 'client-gone' | 'client-error'; detail: string }

const leastTries = 6
const longestWaitMs = 8000
/** a boot loader that stops reading to ask its user something may come back within this time */
const patienceMs = 30_000
/** firmware that writes what it got before it answers takes this long now and then */
const shortestWaitMs = 300
/** a client that asks for longer waits is given two of them, and then given up */
const longestSilenceMs = 120_000

/** @param hasOptions whether an OACK goes first */
export function begin(terms: Terms, size: number, hasOptions: boolean): { state: Transfer; step: Step } {
  const blocks = Math.floor(size / terms.blockSize) + 1
  const waits = { tries: 0, waitMs: terms.waitMs, waitedMs: 0, tripMs: undefined }
  const fresh = { terms, blocks, acked: 0, sent: 0, hole: false, repeated: false, ...waits }
  if (hasOptions) return { state: { ...fresh, acked: -1 }, step: { do: 'send-options' } }
  return sendWindow(fresh)
}

/** One transition. What does not apply (late, duplicate) changes nothing. */
export function step(state: Transfer, event: TransferEvent): { state: Transfer; step: Step } {
  switch (event.type) {
    case 'ack':
      return acknowledged(state, event.block, event.afterMs)
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

/** a client on the same network has answered by then */
const holeMs = 50

/**
 * A copy of an acknowledgement never makes a block go out twice with a window of one (the Sorcerer's Apprentice bug,
 * RFC 1123 §4.2.3.1). In a wider window it may be a copy that the network made, or say that the first block of the window
 * was lost (RFC 7440 §4): if it was, nothing else comes, and the window is repeated soon, once.
 */
function acknowledged(
  state: Transfer,
  wireBlock: number,
  afterMs: number | undefined,
): { state: Transfer; step: Step } {
  const ahead = (wireBlock - state.acked) & 0xffff
  if (ahead > state.sent - state.acked) return stay(state)
  if (ahead === 0) {
    const isHole = state.terms.windowSize > 1 && state.acked >= 0 && !state.repeated && !state.hole
    const ms = Math.max(holeMs, Math.ceil(2 * (state.tripMs ?? 0)))
    return isHole ? { state: { ...state, hole: true }, step: { do: 'hasten', ms } } : stay(state)
  }
  const acked = state.acked + ahead
  if (acked === state.blocks) return { state: { ...state, acked }, step: { do: 'finish' } }
  const tripMs = tripOf(state, afterMs)
  const { terms, blocks } = state
  const sent = Math.min(acked + terms.windowSize, blocks)
  // field by field: this runs once for each block of lock-step clients
  const next: Transfer = {
    terms,
    blocks,
    acked,
    sent,
    hole: false,
    repeated: acked < state.sent,
    tries: 0,
    waitMs: waitOf(state, tripMs),
    waitedMs: 0,
    tripMs,
  }
  return { state: next, step: { do: 'send', from: acked + 1, to: sent } }
}

/** What was sent twice measures nothing: nobody knows which of the two is answered (Karn). */
function tripOf({ tripMs, tries, repeated }: Transfer, afterMs: number | undefined): number | undefined {
  if (afterMs === undefined || tries > 0 || repeated) return tripMs
  return tripMs === undefined ? afterMs : (7 * tripMs + afterMs) / 8
}

function waitOf({ terms }: Transfer, tripMs: number | undefined): number {
  if (tripMs === undefined) return terms.waitMs
  return Math.min(Math.max(Math.ceil(4 * tripMs), shortestWaitMs), terms.waitMs)
}

function timedOut(state: Transfer): { state: Transfer; step: Step } {
  if (state.hole) return sendWindow({ ...state, hole: false, repeated: true })
  const tries = state.tries + 1
  const waitedMs = state.waitedMs + state.waitMs
  const owedMs = 2 * state.terms.waitMs
  const isEnough = tries >= leastTries && waitedMs >= Math.max(patienceMs, owedMs)
  if (isEnough || (tries > 1 && waitedMs >= Math.max(longestSilenceMs, owedMs)))
    return { state, step: fail('timeout', missing(state)) }
  const waitMs = Math.max(state.waitMs, Math.min(state.waitMs * 2, longestWaitMs))
  const waiting = { ...state, tries, waitMs, waitedMs, repeated: false }
  return state.acked < 0 ? { state: waiting, step: { do: 'send-options' } } : sendWindow(waiting)
}

function missing(state: Transfer): string {
  if (state.acked < 0) return 'no answer to the options'
  const isEnd = state.acked + 1 === state.blocks
  return `no acknowledgement of ${isEnd ? 'the last block' : `block ${state.acked + 1}`}`
}

function sendWindow(state: Transfer): { state: Transfer; step: Step } {
  const sent = Math.min(state.acked + state.terms.windowSize, state.blocks)
  return { state: { ...state, sent }, step: { do: 'send', from: state.acked + 1, to: sent } }
}
