import t from 'tap'
import { pino } from 'pino'
import { ulid } from 'ulid'
import type { Client } from '../../src/cli/client.ts'
import { metadataHttp } from '../../src/metadata/http.ts'
import { systemClock } from '../../src/model/clock.ts'
import type { KubeObject } from '../../src/model/object.ts'
import { parseMac } from '../../src/model/mac.ts'
import { createLookup, runLookup } from '../../src/store/lookup.ts'
import { createEngine } from '../../src/workflow/engine.ts'
import type { Engine } from '../../src/workflow/engine.ts'
import type { AgentLink } from '../../src/workflow/link.ts'
import { createLogs } from '../../src/workflow/logs.ts'
import { plan } from '../../src/workflow/plan.ts'
import { holderOf } from './client.ts'
import { base, hardware, mergePatch, ns1, startServer, watching } from './server.ts'
import type { TestServer } from './server.ts'

const silent = pino({ level: 'silent' })
const finalizer = 'infrastructure.cluster.x-k8s.io/tinkerbellmachine'
const provisioned = 'v1alpha1.tinkerbell.org/provisioned'
const label = {
  name: 'v1alpha1.tinkerbell.org/ownerName',
  namespace: 'v1alpha1.tinkerbell.org/ownerNamespace',
}
const json = { 'content-type': 'application/json' }

type Body = KubeObject & { items: KubeObject[]; spec: any; status: any }
type Role = 'cp' | 'worker'
type Machine = { name: string; role: Role }

/** The template as CAPT writes it by default, shortened to its actions' kinds. */
const template = (metadataIp: string) => `version: "0.1"
name: default
global_timeout: 6000
tasks:
- name: install
  worker: "{{.device_1}}"
  volumes: [ "/dev:/dev", "/dev/console:/dev/console", "/lib/firmware:/lib/firmware:ro" ]
  actions:
  - name: "stream image"
    image: quay.io/tinkerbell/actions/oci2disk
    timeout: 600
    environment: { IMG_URL: ghcr.io/org/ubuntu-2004:v1.30.1.gz, DEST_DISK: /dev/vda, COMPRESSED: true }
  - name: "add tink cloud-init config"
    image: quay.io/tinkerbell/actions/writefile
    timeout: 90
    environment: { DEST_DISK: /dev/vda1, FS_TYPE: ext4, DEST_PATH: /etc/cloud/cloud.cfg.d/10_tinkerbell.cfg, UID: 0, GID: 0, MODE: 0600, DIRMODE: 0700, CONTENTS: "metadata_urls: [http://${metadataIp}:50061]" }
  - name: "kexec image"
    image: ghcr.io/jacobweinstock/waitdaemon:0.2.1
    timeout: 90
    pid: host
    environment: { BLOCK_DEVICE: /dev/vda1, FS_TYPE: ext4, IMAGE: quay.io/tinkerbell/actions/kexec, WAIT_SECONDS: 5 }
`

/** The calls of Cluster API Provider Tinkerbell 0.7 in its external mode, for one TinkerbellMachine. */
function capt(client: Client, { name, role }: Machine) {
  const call = async (method: string, path: string, body?: unknown, headers = json) => {
    const answer = await client.request(method, path, body, body === undefined ? {} : headers)
    return { status: answer.status, body: answer.json as Body }
  }
  const list = async (selector: string) =>
    (await call('GET', `${base}/hardware?labelSelector=${encodeURIComponent(selector)}`)).body.items
  const patch = (hw: KubeObject, change: unknown) =>
    call('PATCH', `${ns1}/hardware/${hw.metadata.name}`, change, mergePatch)

  /** A conflict sends the controller round again. */
  const claim = async (): Promise<KubeObject> => {
    for (;;) {
      const [owned] = await list(`${label.name}=${name},${label.namespace}=default`)
      if (owned) return owned
      const [free] = await list(`type in (${role}),!${label.name}`)
      if (!free) throw new Error('no hardware available')
      const labels = { [label.name]: name, [label.namespace]: 'default' }
      const finalizers = [...(free.metadata.finalizers ?? []), finalizer]
      const { status } = await patch(free, { metadata: { labels, finalizers } })
      if (status !== 200 && status !== 409) throw new Error(`claim: answered ${status}`)
    }
  }

  const order = async (hw: Body) => {
    const labels = {
      'capt.tinkerbell.org/machine-name': name,
      'capt.tinkerbell.org/machine-namespace': 'default',
    }
    const metadata = { name, namespace: 'ns1', labels }
    const apiVersion = 'tinkerbell.org/v1alpha1'
    if ((await call('GET', `${ns1}/workflows/${name}`)).status !== 404) throw new Error('there already')
    if ((await call('GET', `${ns1}/templates/${name}`)).status !== 404) throw new Error('there already')
    const text = { apiVersion, kind: 'Template', metadata, spec: { data: template('10.0.0.1') } }
    const made = [(await call('POST', `${ns1}/templates`, text)).status]
    const spec = {
      templateRef: name,
      hardwareRef: hw.metadata.name,
      hardwareMap: { device_1: hw.spec.metadata.instance.id },
      bootOptions: { toggleAllowNetboot: true },
    }
    made.push(
      (await call('POST', `${ns1}/workflows`, { apiVersion, kind: 'Workflow', metadata, spec })).status,
    )
    if (made.some((status) => status !== 201)) throw new Error(`answered ${made.join()}`)
  }

  return {
    call,
    provision: async (): Promise<string> => {
      const hw = (await claim()) as Body
      await patch(hw, {
        spec: { userData: `#cloud-config\n# join ${name} as tinkerbell://ns1/${hw.metadata.name}\n` },
      })
      await order(hw)
      return hw.metadata.name
    },
    markProvisioned: (hw: string) =>
      call(
        'PATCH',
        `${ns1}/hardware/${hw}`,
        { metadata: { annotations: { [provisioned]: 'true' } } },
        mergePatch,
      ),
    release: async (hw: string): Promise<number[]> => {
      const statuses: number[] = []
      for (const path of [`${ns1}/templates/${name}`, `${ns1}/workflows/${name}`]) {
        statuses.push((await call('GET', path)).status, (await call('DELETE', path, {})).status)
      }
      const labels = { [label.name]: null, [label.namespace]: null }
      const change = { metadata: { labels, annotations: { [provisioned]: null }, finalizers: null } }
      statuses.push((await call('PATCH', `${ns1}/hardware/${hw}`, change, mergePatch)).status)
      return statuses
    },
  }
}

/** An agent on every machine that carries out what it is told. */
async function attachAgent(engine: Engine, mac: string): Promise<void> {
  const link: AgentLink = {
    agentId: mac,
    mac: parseMac(mac)!,
    bootId: `boot-${mac}`,
    close: () => engine.disconnect(link),
    send: (command) => {
      if (command.type !== 'run-action') return
      const { workflowId, taskId, actionId, attempt } = command
      void engine.report(link, { workflowId, taskId, actionId, attempt, state: 'SUCCESS', message: 'done' })
    },
  }
  await engine.connect(link, { version: '1', actionId: '', facts: {} })
}

/** Engine, lookup and metadata service on the store of an API server. */
function services({ db }: TestServer) {
  const lookup = createLookup()
  const stop = new AbortController()
  const { store, side } = db
  const record = () => undefined
  const clock = systemClock
  const engine = createEngine({
    store,
    side,
    clock,
    log: silent,
    record,
    newId: ulid,
    plan,
    logs: createLogs({ side, clock, log: silent }),
    machineByAgent: lookup.machineByAgent,
  })
  const metadata = metadataHttp({ ...lookup, log: silent, record, phonedHome: () => undefined })
  const running = Promise.all([
    engine.run(stop.signal),
    runLookup({ store, lookup, log: silent }, stop.signal),
  ])
  const userDataFor = async (ip: string) => {
    const { statusCode, body } = await metadata.inject({ url: '/2009-04-04/user-data', remoteAddress: ip })
    return statusCode === 200 ? body : statusCode
  }
  const close = async () => {
    stop.abort()
    await running
    await metadata.close()
  }
  return { engine, userDataFor, close }
}

const roles: Role[] = ['cp', 'cp', 'cp', 'worker', 'worker', 'worker']
const macOf = (index: number) => `52:54:00:00:02:0${index}`
const ipOf = (index: number) => `10.0.0.1${index}`

t.test('3 control-plane and 3 worker machines, from claim to release, by the calls of CAPT', async (t) => {
  const server = await startServer()
  const house = services(server)
  t.teardown(async () => {
    await house.close()
    await server.close()
  })
  for (const [index, type] of roles.entries()) {
    const object = hardware(`hw-${index}`, { type }, macOf(index))
    object.spec.interfaces[0]!.dhcp.ip.address = ipOf(index)
    await server.client.request('POST', `${ns1}/hardware`, object)
  }
  for (const index of roles.keys()) await attachAgent(house.engine, macOf(index))

  const machines = roles.map((role, index): Machine => ({ name: `${role}-${index}`, role }))
  const holders = await Promise.all(machines.map(() => holderOf(server, 'capt')))
  const controllers = machines.map((machine, index) => capt(holders[index]!.client, machine))
  const query = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
  const watch = watching(holders[0]!.client, `${ns1}/workflows?${query}`)
  await watch.until(1)
  t.match(
    watch.events[0],
    { type: 'BOOKMARK', object: { metadata: { annotations: Object } } },
    'nothing is there yet',
  )

  const taken = await Promise.all(controllers.map(({ provision }) => provision()))
  t.equal(new Set(taken).size, 6, 'six machines have six Hardware')
  t.ok(
    taken.every((hw, index) => roles[Number(hw.slice(3))] === machines[index]!.role),
    'of their own type',
  )

  const succeeded = () =>
    new Set(
      watch.events
        .filter(({ object }) => (object['status'] as { state?: string } | undefined)?.state === 'SUCCESS')
        .map(({ object }) => object.metadata['name'] as string),
    )
  while (succeeded().size < 6) await watch.until(watch.events.length + 1)
  t.pass('the watch has told of every success')
  for (const [index, hw] of taken.entries())
    t.equal((await controllers[index]!.markProvisioned(hw)).status, 200, `${hw} is provisioned`)
  for (const hw of taken) {
    const { body } = await controllers[0]!.call('GET', `${ns1}/hardware/${hw}`)
    t.match(body, { metadata: { annotations: { [provisioned]: 'true' } } })
    t.equal(body.spec.interfaces[0].netboot.allowPXE, false, 'it boots its disk from now on')
    const index = taken.indexOf(hw)
    t.match(await house.userDataFor(ipOf(Number(hw.slice(3)))), new RegExp(`join ${machines[index]!.name} `))
  }

  const released = await Promise.all(controllers.map(({ release }, index) => release(taken[index]!)))
  for (const statuses of released) t.same(statuses, [200, 200, 200, 200, 200])
  for (const hw of taken) {
    const { body } = await controllers[0]!.call('GET', `${ns1}/hardware/${hw}`)
    t.same([body.metadata.finalizers, body.metadata.labels?.[label.name]], [undefined, undefined])
    t.ok(body.spec.userData, 'CAPT leaves the userData')
    t.equal(await house.userDataFor(ipOf(Number(hw.slice(3)))), 404, 'and the machine gets it no more')
  }
  watch.stop()
  for (const { client } of holders) client.close()
})
