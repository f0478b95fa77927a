import { randomUUID } from 'node:crypto'
import { access, mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { serverAddress } from './address.ts'
import { askersOf } from './askers.ts'
import { bootIdentity } from './boot/identity.ts'
import { bootFiles, openText, readScriptTexts } from './boot/open.ts'
import { replaceTls as replaceHttpsTls } from './boot/http.ts'
import { openBootHttp } from './boot/open-http.ts'
import type { Config } from './config.ts'
import { openDhcp } from './dhcp/open.ts'
import { createDiscovery } from './discovery/discovery.ts'
import { parseRule } from './discovery/rule.ts'
import { grpcServer } from './grpc/server.ts'
import { exportCsv } from './inventory/export.ts'
import { importCsv, resumeImports } from './inventory/import.ts'
import { collector } from './kube/collector.ts'
import { kubeServer } from './kube/server.ts'
import { replaceTls } from './kube/tls.ts'
import type { Part } from './lifecycle.ts'
import { aborted, runTogether } from './lifecycle.ts'
import type { Logger } from './log.ts'
import { metadataHttp } from './metadata/http.ts'
import { createMetrics } from './metrics/metrics.ts'
import type { Metrics } from './metrics/metrics.ts'
import { systemClock as clock } from './model/clock.ts'
import { trustOf } from './model/forwarded.ts'
import type { Ip4 } from './model/ip4.ts'
import type { Machine } from './model/machine.ts'
import { openCredentials } from './pki/credentials.ts'
import type { Credentials } from './pki/credentials.ts'
import { readTlsFiles, watchTlsFiles } from './pki/tls-files.ts'
import type { TlsPair } from './pki/tls-files.ts'
import { createLookup, runLookup } from './store/lookup.ts'
import type { LookupFeed } from './store/lookup.ts'
import { openSqlite } from './store/sqlite.ts'
import type { SqliteStore } from './store/sqlite.ts'
import { syslogServer } from './syslog/server.ts'
import { tftpFiles } from './tftp/files.ts'
import { tftpServer } from './tftp/server.ts'
import { defaultLimits } from './tftp/transfer.ts'
import { processOutside } from './template/outside/process.ts'
import { checkTemplate } from './template/render.ts'
import { createClinic } from './timeline/doctor/clinic.ts'
import { serverState } from './timeline/doctor/premises.ts'
import { createTimeline } from './timeline/timeline.ts'
import type { Timeline } from './timeline/timeline.ts'
import { createEngine } from './workflow/engine.ts'
import { createLogs } from './workflow/logs.ts'
import { actionOverheard } from './workflow/overheard.ts'
import { plan } from './workflow/plan.ts'
import type { PlanInput } from './workflow/plan.ts'
import { createReader } from './workflow/reader.ts'
import { createUlids } from './workflow/ulid.ts'
import { version } from './version.ts'

/** Files that ship with the program lie beside `src` and `dist`. */
const shipped = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))

type Environment = Readonly<Record<string, string | undefined>>

/** What the parts share. */
type House = {
  config: Config
  env: Environment
  log: Logger
  address: Ip4
  opened: SqliteStore
  credentials: Credentials
  lookup: LookupFeed
  timeline: Timeline
  metrics: Metrics
}

/**
 * The server: opens what it owns, starts every part, and ends when `signal` aborts or a part fails.
 * Agents are told to reconnect, running writes finish.
 * @param env seen by templates when `templates.allowNonHermetic` is set
 * @throws AppError for what keeps it from starting; the first failure of a part
 */
export async function serve(
  config: Config,
  log: Logger,
  signal: AbortSignal,
  env: Environment = {},
): Promise<void> {
  const address = serverAddress(config.address, config.interface)
  const dataDir = resolve(config.dataDir)
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  await using database = await openSqlite(join(dataDir, 'ironwake.db'), { clock })
  const credentials = await openCredentials({
    dataDir,
    address,
    hostname: hostname(),
    api: config.api,
    side: database.side,
    clock,
    log: log.child({ part: 'credentials' }),
  })
  const timeline = createTimeline({ side: database.side, clock, log: log.child({ part: 'timeline' }) })
  await timeline.load()
  const lookup = createLookup({ log: log.child({ part: 'lookup' }), shelf: database.shelf })
  const metrics = createMetrics({ version, timeline })
  const opened = { ...database, store: metrics.store(database.store) }
  const house: House = { config, log, env, address, opened, credentials, lookup, timeline, metrics }
  await resumeImports(inventoryDeps(house))
  const { parts, bound } = await createParts(house)
  log.info({ version, address, dataDir, kubeconfig: credentials.pki.kubeconfigPath }, 'ironwake starts')
  void bound.then(() => log.info({ address }, 'ironwake is ready'))
  try {
    await runTogether(parts, signal)
  } finally {
    await timeline.flush()
    log.info('ironwake stopped')
  }
}

const inventoryDeps = ({ opened, lookup, log }: House) => ({
  store: opened.store,
  side: opened.side,
  inventory: lookup,
  clock,
  newUid: randomUUID,
  log: log.child({ part: 'inventory' }),
})

/** Traces of boots, loaded only where they are wanted. */
async function openTraces({ config, log, lookup, timeline }: House) {
  const { endpoint } = config.otlp
  if (endpoint === '') return undefined
  const { otlpTraces } = await import('./trace/otlp.ts')
  const { machineByMac } = lookup
  return otlpTraces({ endpoint, version, timeline, machineByMac, clock, log: log.child({ part: 'traces' }) })
}

/** Rendering as this server is told to do it. */
function templatesOf({ config, env }: House) {
  const outside = config.templates.allowNonHermetic ? processOutside(env, clock.now) : undefined
  const read = createReader()
  return {
    check: (text: string) => checkTemplate(text, { outside }),
    plan: (input: Omit<PlanInput, 'outside' | 'read'>) => plan({ ...input, outside, read }),
  }
}

/** Every part by name; `bound` resolves when all listen and the lookup is in step. */
async function createParts(house: House): Promise<{ parts: Record<string, Part>; bound: Promise<void> }> {
  const { config, log, address, opened, credentials, lookup, timeline, metrics } = house
  const { pki, api } = credentials
  const { store, side } = opened
  const { record } = timeline
  const part = (name: string) => log.child({ part: name })
  const listeners = createRollCall()
  const texts = await readScriptTexts(shipped('ipxe'))
  const dirs = await bootDirs(config)
  await warnOfMissing(dirs, config.boot, part('boot'))
  const files = bootFiles({ ...dirs, assetDir: config.tftp.assetDir, texts, log: part('boot') })
  const identity = bootIdentity({
    side,
    clock,
    machineByMac: lookup.machineByMac,
    alarm: (alarm) => log.error({ part: 'identity', ...alarm }, 'boot credentials were shown twice'),
  })
  await identity.load()
  const templates = templatesOf(house)
  const newId = createUlids()
  const logs = createLogs({ side, clock, log: part('logs') })
  const engine = createEngine({
    store,
    side,
    clock,
    log: part('workflow'),
    record,
    newId,
    plan: templates.plan,
    logs,
    machineByAgent: lookup.machineByAgent,
  })
  const baseUrl = `http://${address}:${config.http.port}`
  const scriptUrl = ({ mac }: Machine) => `${baseUrl}/ipxe/script/${mac}/${identity.nonce(mac)}/auto.ipxe`
  const traces = await openTraces(house)
  const dhcp = await openDhcp(config, {
    ...lookup,
    traceParent: traces?.parentOf,
    side,
    clock,
    record,
    log: part('dhcp'),
    serverIp: address,
    observe: metrics.dhcp,
    scriptUrl,
    // one that was only discovered is booted as a stranger, and known by now
    strangerUrl: (mac) => {
      const known = lookup.machineByMac(mac)
      return known ? scriptUrl(known) : `${baseUrl}/ipxe/script/${mac}/auto.ipxe`
    },
  })
  const { machineByIp, whoAt, isHearsay } = askersOf({ lookup, ...dhcp })
  const askers = { ...lookup, machineByIp }
  const openTftpName = tftpFiles({ ...askers, ...files, openText })
  const tlsFilesOfHttp = config.http.tls.cert === '' ? undefined : config.http.tls
  const tlsOfHttp = tlsFilesOfHttp ? await readTlsFiles(tlsFilesOfHttp, clock.now()) : pki
  const boot = await openBootHttp(config, {
    ...askers,
    whoAt,
    log: part('boot'),
    files,
    openTftpName,
    texts,
    site: {
      baseUrl,
      grpcAuthority: `${address}:${config.grpc.port}`,
      syslogHost: address,
    },
    clock,
    imageDir: dirs.imageDir,
    cacheDir: resolve(config.images.cacheDir || join(config.dataDir, 'image-cache')),
    isAutoProxy:
      config.dhcp.mode === 'auto-proxy' || config.dhcp.pool.range !== '' || config.discovery.enabled,
    tls: tlsOfHttp,
    caPem: pki.caPem,
    identity,
    ...(config.discovery.enabled && { strangerToken: identity.strangerToken }),
    record,
  })
  const discovery = createDiscovery({
    settings: config.discovery,
    store,
    lookup,
    identity,
    holderOf: dhcp?.holderOf,
    clock,
    newUid: randomUUID,
    record,
    log: part('discovery'),
  })
  const metadata = () =>
    metadataHttp({
      ...askers,
      isHearsay,
      log: part('metadata'),
      record,
      isTrusted: trustOf(config.http.trustedProxies),
      instanceEndpoint: config.metadata.instanceEndpoint,
      phonedHome: (machine, said) => {
        log.info({ mac: machine.mac, machine: machine.name, ...said }, 'phone-home')
        engine.phonedHome(machine)
      },
    })
  const clinic = createClinic({
    clock,
    timeline,
    lookup,
    server: () =>
      serverState({
        address,
        dhcp: config.dhcp.mode,
        dirs,
        ports: portsOf(config),
        checks: listeners.checks,
        ready: lookup.ready,
      }),
  })
  const kube = kubeServer({
    store,
    tls: api,
    authenticate: credentials.authenticate,
    tokens: credentials.tokens,
    issueCertificate: credentials.issueCertificate,
    log: part('api'),
    audit: part('audit'),
    clock,
    newUid: randomUUID,
    ready: () => [...listeners.checks(), { name: 'lookup', ok: lookup.ready() }],
    version,
    importCsv: (body, options) => importCsv(inventoryDeps(house), body, options),
    exportCsv: (options) => exportCsv(inventoryDeps(house), options),
    timeline,
    clinic,
    lookup,
    leases: dhcp?.leases,
    images: boot.listImages,
    workflowLogs: logs.read,
    followWorkflow: ({ namespace, name }, wake) =>
      engine.subscribe((event) => {
        const at = event.type === 'status' ? event.workflow.metadata : event
        if (at.namespace === namespace && at.name === name && event.type !== 'progress') wake()
      }),
    workflowProgress: engine.workflowProgress,
    workflows: engine,
    admission: {
      checkTemplate: templates.check,
      ruleFaults: (rule) => {
        const read = parseRule(rule)
        return 'faults' in read ? read.faults : []
      },
      renderWorkflow: (input) => void templates.plan({ ...input, newId, now: clock.now() }),
      onRenderFailure: config.api.unrenderable,
    },
    workflowStates: config.api.workflowStates,
    metrics: { open: config.metrics.open, text: metrics.text },
  })
  metrics.http('api', kube)
  for (const app of [boot.http, boot.https]) if (app) metrics.http('boot', app)
  metrics.images(boot.budget.figures)
  const counted = metrics.workflows(lookup)
  const parts: Record<string, Part> = {
    lookup: (signal) => runLookup({ store, lookup: counted, log: part('lookup') }, signal),
    engine: engine.run,
    discovery: discovery.run,
    collector: collector({ store, clock, newUid: randomUUID, log: part('collector') }),
    grpc: grpcServer({
      address,
      port: config.grpc.port,
      plain: config.grpc.plain,
      tls: pki,
      authenticate: discovery.authenticate,
      tinkerbell: {
        admission: config.grpc.tinkerbellAgents,
        roster: askers,
        ready: lookup.ready,
        discovery,
      },
      engine: discovery.desk(metrics.agents(engine)),
      record,
      log: part('grpc'),
      clock,
      onListening: listeners.expect('grpc'),
    }),
    api: listening(kube, address, config.api.port, listeners.expect('api')),
    http: listening(boot.http, address, config.http.port, listeners.expect('http')),
    images: (signal) => aborted(signal).finally(boot.images.close),
    tftp: tftpServer({
      open: openTftpName,
      machineByIp: whoAt,
      record,
      log: part('tftp'),
      clock,
      address,
      port: config.tftp.port,
      singlePort: config.tftp.singlePort,
      limits: { ...defaultLimits, blockSize: config.tftp.blockSize },
      most: { transfers: config.tftp.maxTransfers, ofClient: config.tftp.maxTransfersPerClient },
      observe: metrics.tftp,
      onListening: listeners.expect('tftp'),
    }),
  }
  const outputOf = ({ agentId, macs }: Machine) => {
    const workflows = [...new Set([agentId, ...macs])].flatMap(lookup.workflowsForAgent)
    const action = actionOverheard(workflows)
    return action && ((line: string) => logs.append(action.uid, action.actionId, [line], 'syslog'))
  }
  parts['syslog'] = syslogServer({
    machineByIp: whoAt,
    record,
    outputOf,
    log: part('syslog'),
    clock,
    address,
    port: config.syslog.port,
  })
  const { tlsFiles } = credentials
  if (tlsFiles)
    parts['tls'] = (signal) => {
      const onChange = async (pair: TlsPair) => {
        replaceTls(kube, { ...api, ...pair })
        await credentials.certificateChanged(pair)
      }
      return watchTlsFiles({ files: tlsFiles, current: api, clock, log: part('tls'), onChange }, signal)
    }
  const { https } = boot
  if (https) parts['https'] = listening(https, address, config.http.httpsPort, listeners.expect('https'))
  if (https && tlsFilesOfHttp)
    parts['tls:https'] = (signal) => {
      const onChange = (pair: TlsPair) => replaceHttpsTls(https, pair)
      const watched = { files: tlsFilesOfHttp, current: tlsOfHttp, clock, log: part('tls'), onChange }
      return watchTlsFiles(watched, signal)
    }
  for (const port of config.metadata.ports) {
    const app = metadata()
    metrics.http('metadata', app)
    parts[`metadata:${port}`] = listening(app, address, port, listeners.expect(`metadata:${port}`))
  }
  if (traces) parts['traces'] = traces.run
  if (dhcp) parts['dhcp'] = dhcp.serve(listeners.expect('dhcp'))
  return { parts, bound: listeners.complete }
}

/** Ports by the names of the parts that listen there. */
const portsOf = ({ dhcp, tftp, http, grpc, api, metadata }: Config): Record<string, number> => ({
  dhcp: dhcp.port,
  tftp: tftp.port,
  http: http.port,
  grpc: grpc.port,
  api: api.port,
  ...Object.fromEntries(metadata.ports.map((port) => [`metadata:${port}`, port])),
})

type BootDirs = { ipxeDir: string; osDir: string; imageDir: string }

/** The folders with boot files; those in the data directory are made. */
async function bootDirs(config: Config): Promise<BootDirs> {
  const ours = async (name: string) => {
    const path = join(config.dataDir, name)
    await mkdir(path, { recursive: true })
    return path
  }
  return {
    ipxeDir: config.ipxeDir || (await ours('ipxe')),
    osDir: config.osDir || (await ours('os')),
    imageDir: config.imageDir || (await ours('images')),
  }
}

/** Without these files machines get as far as DHCP and no further: better said before one is powered on. */
async function warnOfMissing(
  { ipxeDir, osDir }: BootDirs,
  { osUrl, kernelName, initrdName }: Config['boot'],
  log: Logger,
): Promise<void> {
  const ipxe = ['undionly.kpxe', 'ipxe.efi'].map((name) => join(ipxeDir, name))
  const names = osUrl === '' ? [kernelName, initrdName] : []
  const os = names.map((name) => join(osDir, `${name}-x86_64`))
  for (const path of [...ipxe, ...os]) {
    const madeBy = ipxe.includes(path) ? 'ironwake os ipxe' : 'ironwake os build'
    await access(path).catch(() => log.warn({ path, madeBy }, 'boot file is missing'))
  }
}

type App = {
  listen(options: { host: string; port: number }): Promise<string>
  close(): Promise<unknown>
}

function listening(app: App, host: string, port: number, bound: () => void): Part {
  return async (signal) => {
    try {
      if (!signal.aborted) await app.listen({ host, port })
      bound()
      await aborted(signal)
    } finally {
      await app.close()
    }
  }
}

/** Who has to listen before the server is ready, and who does. */
function createRollCall() {
  const bound = new Map<string, boolean>()
  let complete = () => {}
  const all = new Promise<void>((resolve) => (complete = resolve))
  return {
    /** @returns to be called when `name` listens */
    expect: (name: string) => {
      bound.set(name, false)
      return () => {
        bound.set(name, true)
        if ([...bound.values()].every(Boolean)) complete()
      }
    },
    checks: () => [...bound].map(([name, ok]) => ({ name, ok })),
    complete: all,
  }
}
