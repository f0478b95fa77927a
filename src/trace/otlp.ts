import { hostname } from 'node:os'
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Attributes, Tracer } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor, RandomIdGenerator } from '@opentelemetry/sdk-trace-base'
import type { SpanExporter } from '@opentelemetry/sdk-trace-base'
import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { createLimiter } from '../model/limiter.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { TraceParent } from '../model/trace-parent.ts'
import type { Facts, TimelineEntry } from '../timeline/stage.ts'
import { createBoots } from './boots.ts'
import type { Boots, BootTrace } from './boots.ts'

export type OtlpDeps = {
  /** URL of the collector, with or without `/v1/traces` */
  endpoint: string
  /** of this program */
  version: string
  timeline: { subscribe(mac: undefined, listener: (mac: Mac, entry: TimelineEntry) => void): () => void }
  machineByMac(mac: Mac): Machine | undefined
  clock: Clock
  log: Pick<Logger, 'warn' | 'info'>
}

const sweepMs = 60_000
/** how long a collector may take, and how long the last spans may at the end, ms */
const patienceMs = 5000

export type Traces = {
  /** until the signal aborts; throws nothing */
  run(signal: AbortSignal): Promise<void>
  /** see `Boots`; `undefined` while it does not run */
  parentOf: Boots['parentOf']
}

/**
 * Sends a trace of every boot to an OpenTelemetry collector until `signal` aborts. A collector that does not answer is
 * warned of, and its spans are lost; nothing waits for it.
 */
export function otlpTraces(deps: OtlpDeps): Traces {
  let boots: Boots | undefined
  const run = async (signal: AbortSignal) => {
    const url = tracesUrl(deps.endpoint)
    const processor = new BatchSpanProcessor(
      warning(new OTLPTraceExporter({ url, timeoutMillis: patienceMs }), deps),
      {
        exportTimeoutMillis: 2 * patienceMs,
      },
    )
    const ids = chosenIds()
    const provider = new BasicTracerProvider({
      idGenerator: ids.generator,
      resource: resourceOf(deps.version),
      spanProcessors: [processor],
    })
    const tracer = provider.getTracer('ironwake', deps.version)
    const begin = (at: number, facts: Facts, root: TraceParent) =>
      beginTrace(tracer, at, facts, ids.using(root))
    const all = (boots = createBoots({ ...deps, begin, newIds: ids.fresh }))
    const stop = deps.timeline.subscribe(undefined, all.seen)
    deps.log.info({ url }, 'boots are traced')
    while (!signal.aborted) {
      await deps.clock.sleep(sweepMs, signal)
      all.sweep(deps.clock.now())
    }
    stop()
    boots = undefined
    all.endAll()
    const last = new AbortController()
    await Promise.race([provider.shutdown().catch(() => {}), deps.clock.sleep(patienceMs, last.signal)])
    last.abort()
  }
  return { run, parentOf: (mac, client) => boots?.parentOf(mac, client) }
}

/** Ids of spans: random, but for a root whose ids have been told already. */
function chosenIds() {
  const random = new RandomIdGenerator()
  let chosen: TraceParent | undefined
  return {
    generator: {
      generateTraceId: () => chosen?.traceId ?? random.generateTraceId(),
      generateSpanId: () => chosen?.spanId ?? random.generateSpanId(),
    },
    fresh: (): TraceParent => ({ traceId: random.generateTraceId(), spanId: random.generateSpanId() }),
    using:
      (ids: TraceParent) =>
      <Made>(make: () => Made): Made => {
        chosen = ids
        try {
          return make()
        } finally {
          chosen = undefined
        }
      },
  }
}

/** @returns where OTLP/HTTP takes traces below the base URL of a collector */
export function tracesUrl(endpoint: string): string {
  const base = endpoint.replace(/\/+$/, '')
  return base.endsWith('/v1/traces') ? base : `${base}/v1/traces`
}

const resourceOf = (version: string) =>
  resourceFromAttributes({
    'service.name': 'ironwake',
    'service.version': version,
    'service.instance.id': hostname(),
  })

function beginTrace(
  tracer: Tracer,
  startTime: number,
  facts: Facts,
  withIds: <Made>(make: () => Made) => Made,
): BootTrace {
  const options = { startTime, root: true, kind: SpanKind.SERVER, attributes: attributesOf(facts) }
  const root = withIds(() => tracer.startSpan('boot', options))
  const context = trace.setSpan(ROOT_CONTEXT, root)
  return {
    add({ name, from, to, facts, error }) {
      const span = tracer.startSpan(name, { startTime: from, attributes: attributesOf(facts) }, context)
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error })
      span.end(to)
    },
    end(at, error) {
      if (error !== undefined) root.setStatus({ code: SpanStatusCode.ERROR, message: error })
      root.end(at)
    },
  }
}

const attributesOf = (facts: Facts): Attributes =>
  Object.fromEntries(Object.entries(facts).map(([name, value]) => [`ironwake.${name}`, value]))

/** The same exporter; says, once in a while, why spans did not arrive. */
function warning(inner: SpanExporter, { log, clock }: OtlpDeps): SpanExporter {
  const mayLog = createLimiter({ everyMs: 60_000, perMinute: 6, maxKeys: 16 })
  return {
    export: (spans, done) =>
      inner.export(spans, (result) => {
        const why = result.error?.message ?? 'refused'
        if (result.code !== 0 && mayLog.allow(why, clock.now()))
          log.warn({ why, spans: spans.length }, 'the collector did not take spans')
        done(result)
      }),
    shutdown: () => inner.shutdown(),
    forceFlush: async () => inner.forceFlush?.(),
  }
}
