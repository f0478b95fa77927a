import type { Hardware } from '../model/hardware.ts'
import { AppError } from '../model/error.ts'
import { machinesOf } from '../model/machine.ts'
import type { Machine } from '../model/machine.ts'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import type { Workflow } from '../model/workflow.ts'
import type { Store } from '../store/store.ts'
import type { Clinic } from '../timeline/doctor/clinic.ts'
import { journeyOf } from '../timeline/journey.ts'
import type { TimelineEntry } from '../timeline/stage.ts'
import type { KubeApp } from './app.ts'
import { hardwareCsvRoutes } from './hardware-csv.ts'
import type { HardwareCsvDeps } from './hardware-csv.ts'
import { imageUses } from './image-uses.ts'
import type { NamedImage } from './image-uses.ts'
import { LineStream } from './lines.ts'
import { isSet, parameter } from './options.ts'
import type { Query } from './options.ts'
import { actionsOf, followLogs } from './workflow-logs.ts'
import type { ReadLog } from './workflow-logs.ts'

export type TimelineSource = {
  /** oldest first */
  entries(mac: Mac): readonly TimelineEntry[] | Promise<readonly TimelineEntry[]>
  /** calls `listener` for every new or counted-up entry of this machine, or of all; returns what ends it */
  subscribe(mac: Mac | undefined, listener: (mac: Mac, entry: TimelineEntry) => void): () => void
}

export type IronwakeDeps = HardwareCsvDeps & {
  store: Pick<Store, 'get' | 'list'>
  timeline: TimelineSource
  /** says why a machine does not go on, and which are unknown; without it the routes do not exist */
  clinic?: Clinic
  lookup: { machineByMac(mac: Mac): Machine | undefined }
  /** what an action printed; without it the route does not exist */
  workflowLogs?: ReadLog
  /** calls `wake` when an action of this Workflow has printed, or the Workflow has changed; returns what ends it */
  followWorkflow?(place: Place, wake: () => void): () => void
  /** leases of the DHCP pool; none without a pool */
  leases?: (() => readonly object[]) | undefined
  /** disk images that the server gives; none when left out */
  images?: (() => Promise<readonly NamedImage[]>) | undefined
  /** how far the actions of a Workflow have come; without it the route does not exist */
  workflowProgress?(uid: string): Promise<readonly { actionId: string }[]>
}

/** A follower is told to come back after this long, ms. */
const followMs = 3_600_000

/** What is not a resource: hardware.csv, boot timelines, DHCP leases, images, logs and progress of actions. */
export function ironwakeRoutes(app: KubeApp, deps: IronwakeDeps): void {
  hardwareCsvRoutes(app, deps)
  timelineRoute(app, deps)
  clinicRoutes(app, deps)
  workflowRoutes(app, deps)
  app.get('/ironwake/v1/leases', async () => ({ leases: deps.leases?.() ?? [] }))
  app.get('/ironwake/v1/images', async () => {
    const uses = await imageUses(deps.store)
    const images = (await deps.images?.()) ?? []
    return { images: images.map((image) => ({ ...image, usedBy: uses.get(image.name) ?? [] })) }
  })
}

type Place = { namespace: string; name: string }

function workflowRoutes(app: KubeApp, deps: IronwakeDeps): void {
  const { store, workflowLogs, workflowProgress, followWorkflow, shutdown } = deps
  const url = '/ironwake/v1/workflows/:namespace/:name'
  if (workflowLogs)
    app.get(`${url}/logs`, async (request, reply) => {
      const [query, place] = [request.query as Query, request.params as Place]
      const wanted = parameter(query, 'action')
      const since = lineNumber(parameter(query, 'since'))
      const workflow = async () => (await workflowAt(store, place)).workflow
      if (followWorkflow && isSet(query, 'follow')) {
        const subscribe = (wake: () => void) => followWorkflow(place, wake)
        const logs = { workflow, read: workflowLogs, subscribe, shutdown }
        await followLogs(logs, { action: wanted, since }, () => reply.hijack().raw)
        return reply
      }
      const found = await workflow()
      const read = async ({ id, name }: Named) => ({
        id,
        name,
        ...(await workflowLogs(found.metadata.uid, id, since)),
      })
      return { actions: await Promise.all(actionsOf(found, wanted).map(read)) }
    })
  if (workflowProgress)
    app.get(`${url}/progress`, async (request) => {
      const { workflow, actions } = await workflowAt(store, request.params as Place)
      const known = await workflowProgress(workflow.metadata.uid)
      const progressOf = (id: string) => known.find(({ actionId }) => actionId === id)
      return {
        actions: actions.map(({ id, name, state }) => ({ actionId: id, name, state, ...progressOf(id) })),
      }
    })
}

type Named = { id: string; name: string; state: string }

async function workflowAt(
  store: Pick<Store, 'get'>,
  { namespace, name }: Place,
): Promise<{ workflow: Workflow; actions: Named[] }> {
  const workflow = (await store.get({ kind: 'Workflow', namespace, name })) as Workflow | undefined
  if (!workflow) throw new AppError('NotFound', `workflow ${namespace}/${name} not found`)
  return { workflow, actions: (workflow.status?.tasks ?? []).flatMap((task) => task.actions) }
}

function lineNumber(text: string | undefined): number {
  if (text === undefined) return 0
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new AppError('BadRequest', `since: "${text}" is not the number of a line`)
}

type Subject = { macs: readonly Mac[]; hardware: string | null }

function timelineRoute(app: KubeApp, deps: IronwakeDeps): void {
  app.get('/ironwake/v1/timeline/*', async (request, reply) => {
    const { macs, hardware } = await subjectOf(deps, (request.params as { '*': string })['*'])
    if (!isSet(request.query as Query, 'follow')) {
      const entries = (await entriesOf(deps, macs)).map(({ entry }) => entry)
      return { mac: macs[0] ?? null, hardware, entries, journey: journeyOf(entries) }
    }
    await follow(deps, macs, () => reply.hijack().raw)
    return reply
  })
}

function clinicRoutes(app: KubeApp, deps: IronwakeDeps): void {
  const { clinic } = deps
  if (!clinic) return
  app.get('/ironwake/v1/doctor/*', async (request) => {
    const { macs, hardware } = await subjectOf(deps, (request.params as { '*': string })['*'])
    return clinic.diagnose(macs, hardware)
  })
  app.get('/ironwake/v1/unknown', async () => ({ machines: clinic.unknown() }))
}

async function entriesOf(deps: IronwakeDeps, macs: readonly Mac[]) {
  const found = await Promise.all(
    macs.map(async (mac) => (await deps.timeline.entries(mac)).map((entry) => ({ mac, entry }))),
  )
  return found.flat().toSorted((a, b) => a.entry.at - b.entry.at)
}

/** Lines `{ mac, ...entry }`: what is known, then what comes; a counted-up entry comes again. */
async function follow(
  deps: IronwakeDeps,
  macs: readonly Mac[],
  open: () => ConstructorParameters<typeof LineStream>[0],
): Promise<void> {
  const waiting: { mac: Mac; entry: TimelineEntry }[] = []
  let wake = () => {}
  const hear = (mac: Mac, entry: TimelineEntry) => {
    if (waiting.length >= maxWaiting) return
    waiting.push({ mac, entry })
    wake()
  }
  const subscriptions = macs.map((mac) => deps.timeline.subscribe(mac, hear))
  try {
    waiting.unshift(...(await entriesOf(deps, macs)))
    const { shutdown } = deps
    const lines = new LineStream(open(), {
      contentType: 'application/json',
      timeoutMs: followMs,
      shutdown,
      onEnd: () => wake(),
    })
    while (!lines.ended) {
      for (const { mac, entry } of waiting.splice(0)) await lines.write({ mac, ...entry })
      if (waiting.length === 0 && !lines.ended) await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    for (const unsubscribe of subscriptions) unsubscribe()
  }
}

/** Entries kept for a follower that reads slowly; more than a machine's whole timeline. */
const maxWaiting = 2000

/** Which machine `text` names: a MAC, `namespace/name` or the name of a Hardware that is the only one so called. */
async function subjectOf(deps: IronwakeDeps, text: string): Promise<Subject> {
  const mac = parseMac(text)
  if (mac) {
    const machine = deps.lookup.machineByMac(mac)
    return { macs: [mac], hardware: machine ? `${machine.namespace}/${machine.name}` : null }
  }
  const hardware = await hardwareNamed(deps.store, text)
  const macs = machinesOf(hardware).map((machine) => machine.mac)
  return { macs, hardware: `${hardware.metadata.namespace}/${hardware.metadata.name}` }
}

async function hardwareNamed(store: Pick<Store, 'get' | 'list'>, text: string): Promise<Hardware> {
  const [first = '', second] = text.split('/', 2)
  if (second !== undefined) {
    const found = await store.get({ kind: 'Hardware', namespace: first, name: second })
    if (found) return found as Hardware
    throw new AppError('NotFound', `no hardware "${text}"`)
  }
  const found = (await store.list('Hardware')).items.filter((item) => item.metadata.name === first)
  if (found.length === 1) return found[0] as Hardware
  if (found.length === 0) throw new AppError('NotFound', `no hardware "${text}", and it is not a MAC address`)
  const names = found.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  throw new AppError('BadRequest', `several hardware are called "${text}": ${names.join(', ')}`)
}
