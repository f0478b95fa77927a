import { Registry, collectDefaultMetrics } from 'prom-client'
import type { Mac } from '../model/mac.ts'
import type { TftpObserver } from '../tftp/server.ts'
import type { TimelineEntry } from '../timeline/stage.ts'
import { followAgents } from './agents.ts'
import type { AgentDesk } from './agents.ts'
import { createBootFigures } from './boots.ts'
import { createCounter, createGauge, createHistogram } from './figures.ts'
import { createHttpFigures } from './http.ts'
import type { Service, WebApp } from './http.ts'
import { createStoreFigures } from './store.ts'
import type { Writes } from './store.ts'
import { followWorkflows } from './workflows.ts'
import type { WorkflowFeed } from './workflows.ts'

/** Called for every DHCP message that was understood or not, with what became of it. */
export type DhcpObserver = (type: string, outcome: string, ms: number) => void

export type Metrics = {
  /** all figures, as Prometheus reads them */
  text(): Promise<{ type: string; body: string }>
  names(): string[]
  dhcp: DhcpObserver
  tftp: TftpObserver
  /** Counts the requests of an app; before it is ready. */
  http(service: Service, app: WebApp): void
  /** Reads how many disk images are being sent, and wait for their turn. */
  images(figures: ImageFigures): void
  /** the same store, whose writes are counted */
  store<Store extends Writes>(store: Store): Store
  /** the same desk, whose agents are counted */
  agents<Desk extends AgentDesk>(desk: Desk): Desk
  /** the same feed, whose Workflows are counted */
  workflows<Feed extends WorkflowFeed>(feed: Feed): Feed
}

export type ImageFigures = () => { sending: number; waiting: number }

export type MetricsDeps = {
  /** of this program */
  version: string
  timeline: {
    subscribe(mac: undefined, listener: (mac: Mac, entry: TimelineEntry) => void): () => void
    entries(mac: Mac): readonly TimelineEntry[]
  }
}

/** s */
export const quick = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]
const transfers = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/**
 * All figures of the server. What is counted is kept as plain numbers, and made into text when somebody asks; no label
 * holds the name, MAC or address of a machine. docs/metrics.md has a line for each figure.
 */
export function createMetrics(deps: MetricsDeps): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  createGauge(
    registry,
    { name: 'ironwake_build_info', help: 'What runs; always 1.', labels: ['version', 'node'] },
    () => [[[deps.version, process.version], 1]],
  )
  createBootFigures(registry, deps.timeline)
  const http = createHttpFigures(registry)
  const writes = createStoreFigures(registry)
  return {
    text: async () => ({ type: registry.contentType, body: await registry.metrics() }),
    names: () => registry.getMetricsAsArray().map(({ name }) => name),
    dhcp: dhcpFigures(registry),
    tftp: tftpFigures(registry),
    http,
    images: imageFigures(registry),
    store: writes,
    agents: followAgents(registry),
    workflows: followWorkflows(registry),
  }
}

function dhcpFigures(registry: Registry): DhcpObserver {
  const packets = createCounter(registry, {
    name: 'ironwake_dhcp_packets_total',
    help: 'DHCP messages received, by message type and what became of them.',
    labels: ['type', 'outcome'],
  })
  const handling = createHistogram(
    registry,
    {
      name: 'ironwake_dhcp_handling_seconds',
      help: 'Time from a DHCP message to its answer, or to the decision that there is none.',
    },
    quick,
  )
  const took = handling.series([])
  const known = new Map<string, Map<string, { value: number }>>()
  const seriesOf = (type: string, outcome: string) => {
    const series = packets.series([type, outcome])
    const ofType = known.get(type) ?? new Map<string, { value: number }>()
    known.set(type, ofType.set(outcome, series))
    return series
  }
  return (type, outcome, ms) => {
    const series = known.get(type)?.get(outcome) ?? seriesOf(type, outcome)
    series.value += 1
    took(ms / 1000)
  }
}

function imageFigures(registry: Registry): (figures: ImageFigures) => void {
  let read: ImageFigures = () => ({ sending: 0, waiting: 0 })
  createGauge(
    registry,
    {
      name: 'ironwake_image_transfers',
      help: 'Disk images that are being sent, or wait for their turn, by state.',
      labels: ['state'],
    },
    () => Object.entries(read()).map(([state, count]) => [[state], count] as const),
  )
  return (figures) => void (read = figures)
}

function tftpFigures(registry: Registry): TftpObserver {
  let active = 0
  const requests = createCounter(registry, {
    name: 'ironwake_tftp_requests_total',
    help: 'TFTP requests, by how they ended.',
    labels: ['outcome'],
  })
  const bytes = createCounter(registry, {
    name: 'ironwake_tftp_bytes_total',
    help: 'Octets of files that TFTP clients acknowledged.',
  })
  const durations = createHistogram(
    registry,
    { name: 'ironwake_tftp_transfer_duration_seconds', help: 'Time that whole TFTP transfers took.' },
    transfers,
  )
  createGauge(registry, { name: 'ironwake_tftp_transfers', help: 'TFTP transfers in progress.' }, () => [
    [[], active],
  ])
  return {
    began: () => void (active += 1),
    ended(outcome, octets, ms) {
      active -= 1
      requests.add([outcome])
      bytes.add([], octets)
      if (outcome === 'sent') durations.observe([], ms / 1000)
    },
    refused: (outcome) => requests.add([outcome]),
  }
}
