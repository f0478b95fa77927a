import type { MetricObjectWithValues, MetricValueWithName, Registry } from 'prom-client'

/** Values of the labels, in the order of their names. */
export type LabelValues = readonly string[]

/** Series of one figure at most; what comes beyond is counted under `other`. */
const mostSeries = 2000

export type Counter = {
  add(values: LabelValues, amount?: number): void
  /** one series, for where every packet passes: its `value` may be counted up */
  series(values: LabelValues): { value: number }
}
export type Histogram = {
  observe(values: LabelValues, value: number): void
  /** one series, for where every packet passes */
  series(values: LabelValues): (value: number) => void
}

type Definition = { name: string; help: string; labels?: readonly string[] }
type Sample = MetricValueWithName<string>
type Kind = 'counter' | 'gauge' | 'histogram'

/** Hands a figure of our own to the registry, which reads it when somebody asks. */
function register(registry: Registry, { name, help }: Definition, type: Kind, read: () => Sample[]): void {
  const get = async (): Promise<MetricObjectWithValues<Sample>> =>
    ({ name, help, type, values: read(), aggregator: 'sum' }) as unknown as MetricObjectWithValues<Sample>
  registry.registerMetric({ name, help, get } as never)
}

/** The cell of a series, made when it is first used; bounded whatever the labels are. */
function createSeries<Cell>(labels: readonly string[], make: () => Cell) {
  const cells = new Map<string, { values: LabelValues; cell: Cell }>()
  const other = labels.map(() => 'other')
  const cellOf = (values: LabelValues): Cell => {
    const key = values.length === 1 ? values[0]! : values.join('\n')
    const known = cells.get(key)
    if (known) return known.cell
    if (cells.size >= mostSeries && values !== other) return cellOf(other)
    const cell = make()
    cells.set(key, { values: [...values], cell })
    return cell
  }
  const named = (values: LabelValues) =>
    Object.fromEntries(labels.map((label, index) => [label, values[index] ?? '']))
  return {
    cellOf,
    all: () => [...cells.values()].map(({ values, cell }) => ({ labels: named(values), cell })),
  }
}

/** Counts in plain numbers, so that it may stand where every packet passes. */
export function createCounter(registry: Registry, definition: Definition): Counter {
  const { labels = [] } = definition
  const series = createSeries(labels, () => ({ value: 0 }))
  if (labels.length === 0) series.cellOf([])
  register(registry, definition, 'counter', () =>
    series.all().map(({ labels, cell }) => ({ labels, value: cell.value, metricName: definition.name })),
  )
  return {
    add: (values, amount = 1) => {
      series.cellOf(values).value += amount
    },
    series: series.cellOf,
  }
}

/** A figure that is read when somebody asks: one value, or one for each value of its label. */
export function createGauge(
  registry: Registry,
  definition: Definition,
  read: () => Iterable<readonly [LabelValues, number]>,
): void {
  const { labels = [] } = definition
  register(registry, definition, 'gauge', () =>
    [...read()].map(([values, value]) => ({
      labels: Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ''])),
      value,
      metricName: definition.name,
    })),
  )
}

/** @param bounds upper bounds of the buckets, rising; one without bound is added */
export function createHistogram(
  registry: Registry,
  definition: Definition,
  bounds: readonly number[],
): Histogram {
  const { name, labels = [] } = definition
  const series = createSeries(labels, () => ({ counts: new Float64Array(bounds.length + 1), sum: 0 }))
  if (labels.length === 0) series.cellOf([])
  register(registry, definition, 'histogram', () =>
    series.all().flatMap(({ labels, cell }) => samplesOf(name, labels, bounds, cell)),
  )
  const into = (cell: Cell, value: number) => {
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket += 1
    cell.counts[bucket]! += 1
    cell.sum += value
  }
  return {
    observe: (values, value) => into(series.cellOf(values), value),
    series(values) {
      const cell = series.cellOf(values)
      return (value) => into(cell, value)
    },
  }
}

type Cell = { counts: Float64Array; sum: number }

function samplesOf(
  name: string,
  labels: Record<string, string>,
  bounds: readonly number[],
  { counts, sum }: Cell,
): Sample[] {
  let count = 0
  const buckets = [...counts].map((more, index) => {
    count += more
    const le = index < bounds.length ? String(bounds[index]) : '+Inf'
    return { labels: { ...labels, le }, value: count, metricName: `${name}_bucket` }
  })
  return [
    ...buckets,
    { labels, value: sum, metricName: `${name}_sum` },
    { labels, value: count, metricName: `${name}_count` },
  ]
}
