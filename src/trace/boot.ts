import type { Facts, Stage } from '../timeline/stage.ts'

/** What is under way and is known only when it ends. */
type Doing = { name: 'dhcp' | 'agent' | 'action'; from: number; facts: Facts }

/** One boot of a machine as it is seen so far, the restart into the system that it installed included. Times are epoch ms. */
export type Boot = {
  startedAt: number
  lastAt: number
  /** it has come as far as its script: the next time that its firmware asks for an address is another boot */
  isFar: boolean
  /** its Workflow has ended well: what boots next is the installed system */
  isInstalled: boolean
  doing: readonly Doing[]
}

/** A part of a boot that is over. `error`: why it did not go well */
export type Span = { name: string; from: number; to: number; facts: Facts; error?: string | undefined }

/** What an event means: spans that are over, and whether the boot ends with it or before it. */
export type Seen = {
  /** the boot before ends here, and the spans in `before` are its last */
  before?: { to: number; spans: Span[] }
  boot: Boot | undefined
  spans: Span[]
  /** the boot is over; it is not in `boot` any more */
  endedAt?: number
}

export type Event = { at: number; stage: Stage; facts: Facts }

/** without a word for so long, a boot is over, ms; an action may take longer */
const idleMs = 15 * 60_000

/** @returns whether nothing is expected of the boot any more at `now`, epoch ms */
export function isIdle(boot: Boot, now: number): boolean {
  return now - boot.lastAt > idleMs && !boot.doing.some(({ name }) => name === 'action')
}

/** The spans that are cut off where a boot ends. */
export function cutOff(boot: Boot): Span[] {
  return boot.doing.map((doing) =>
    spanOf(doing, boot.lastAt, doing.name === 'agent' ? undefined : 'no end was seen'),
  )
}

/** One transition. Without a boot, only what a boot begins with begins one. */
export function follow(boot: Boot | undefined, event: Event): Seen {
  const isOver = boot && (startsAnew(boot, event) || isIdle(boot, event.at))
  const before = isOver ? { before: { to: boot.lastAt, spans: cutOff(boot) } } : {}
  const current = isOver ? undefined : boot
  if (!current && !begins(event)) return { ...before, boot: undefined, spans: [] }
  const { at } = event
  const base = current ?? { startedAt: at, lastAt: at, isFar: false, isInstalled: false, doing: [] }
  const { doing, spans } = progress(base, event)
  const { stage, facts } = event
  const isInstalled = base.isInstalled || (stage === 'workflow-ended' && facts['state'] === 'SUCCESS')
  const next = {
    ...base,
    doing,
    lastAt: Math.max(base.lastAt, at),
    isFar: base.isFar || far.has(stage),
    isInstalled,
  }
  if (stage !== 'phone-home') return { ...before, boot: next, spans }
  return { ...before, boot: undefined, spans: [...spans, ...cutOff(next)], endedAt: at }
}

const far: ReadonlySet<Stage> = new Set(['boot-script', 'boot-disk', 'agent-hello'])
const beginnings: ReadonlySet<Stage> = new Set(['dhcp-discover', 'tftp-read', 'boot-script', 'agent-hello'])

const isFirmware = ({ stage, facts: { client } }: Event): boolean =>
  stage === 'dhcp-discover' && (client === 'firmware' || client === 'http' || client === 'ipxe')

function begins(event: Event): boolean {
  return event.stage === 'dhcp-discover' ? isFirmware(event) : beginnings.has(event.stage)
}

/** An installed system starts by the firmware too, and is told to boot its disk; anything else is a boot of its own. */
function startsAnew({ isFar, isInstalled }: Boot, event: Event): boolean {
  if (isInstalled) return event.stage === 'boot-script' && event.facts['target'] !== 'disk'
  return isFar && isFirmware(event)
}

type Progress = { doing: readonly Doing[]; spans: Span[] }

function progress({ doing }: Boot, { at, stage, facts }: Event): Progress {
  const begin = (name: Doing['name']): Progress => {
    const rest = end(name, facts['attempt'] ? 'it was repeated' : undefined)
    return { doing: [...rest.doing, { name, from: at, facts }], spans: rest.spans }
  }
  const end = (name: Doing['name'], error: string | undefined, more: Facts = {}): Progress => {
    const open = doing.filter((one) => one.name === name)
    const spans = open.map((one) => spanOf({ ...one, facts: { ...one.facts, ...more } }, at, error))
    return { doing: doing.filter((one) => one.name !== name), spans }
  }
  const done = (name: string, error?: string): Progress => {
    const ms = typeof facts['ms'] === 'number' ? facts['ms'] : 0
    return { doing, spans: [{ name, from: at - ms, to: at, facts, error }] }
  }
  const why = String(facts['why'] ?? 'failed')
  const state = facts['state'] === 'SUCCESS' ? undefined : String(facts['state'] ?? 'unknown')
  switch (stage) {
    case 'dhcp-discover':
      return isAsking(doing, facts) ? { doing, spans: [] } : begin('dhcp')
    case 'dhcp-ack':
      return end('dhcp', undefined, facts)
    case 'dhcp-nak':
    case 'dhcp-silent':
      return end('dhcp', why, facts)
    case 'agent-hello':
      return doing.some(({ name }) => name === 'agent') ? { doing, spans: [] } : begin('agent')
    case 'agent-lost':
      return end('agent', why)
    case 'action-started':
      return begin('action')
    case 'action-ended':
      return doing.some(({ name }) => name === 'action') ? end('action', state, facts) : done('action', state)
    case 'workflow-ended':
      return done('workflow-ended', state)
    default:
      return names[stage]
        ? done(names[stage], stage.endsWith('-failed') || stage === 'agent-rejected' ? why : undefined)
        : { doing, spans: [] }
  }
}

/** A client that has no answer yet asks again. */
const isAsking = (doing: readonly Doing[], { client }: Facts): boolean =>
  doing.some(({ name, facts }) => name === 'dhcp' && facts['client'] === client)

/** Stages that are a span each. */
const names: Readonly<Partial<Record<Stage, string>>> = {
  'tftp-read': 'tftp',
  'tftp-failed': 'tftp',
  'boot-file': 'boot-file',
  'http-failed': 'http',
  'boot-script': 'script',
  'boot-disk': 'boot-disk',
  kernel: 'kernel',
  initramfs: 'initrd',
  image: 'image',
  'agent-rejected': 'agent',
  'workflow-started': 'workflow-started',
  metadata: 'metadata',
  'phone-home': 'phone-home',
}

function spanOf({ name, from, facts }: Doing, to: number, error: string | undefined): Span {
  return { name, from, to: Math.max(from, to), facts, error }
}
