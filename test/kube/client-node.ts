import { setTimeout as sleep } from 'node:timers/promises'
import { CoreV1Api, CustomObjectsApi, KubeConfig, makeInformer } from '@kubernetes/client-node'
import type { KubernetesListObject, KubernetesObject } from '@kubernetes/client-node'
import { messageOf } from '../../src/model/error.ts'
import { kinds } from '../../src/model/kinds.ts'
import type { KindInfo, KindName } from '../../src/model/kinds.ts'
import type { KubeObject } from '../../src/model/object.ts'
import type { Seen } from './history.ts'
import { everyPath, idOf, seenOf } from './watchers.ts'
import type { Watcher } from './watchers.ts'

type List = () => Promise<KubernetesListObject<KubernetesObject>>

/**
 * An informer of the official JavaScript client. It stops at the first error, a broken connection included, until
 * `start` is called again: its users do that in the handler of `error`, and so does this. It then goes on from the last
 * version that it saw; only a 410 makes it list again. Two events of one version in a row it takes for one.
 */
export function informer(kubeconfig: string, kind: KindName): Watcher & { lists(): number } {
  const config = new KubeConfig()
  config.loadFromFile(kubeconfig)
  const seen: Seen[] = []
  const faults: string[] = []
  let [lists, connects, isStopped] = [0, 0, false]
  let inStep = () => {}
  const started = new Promise<void>((resolve) => (inStep = resolve))
  const list = listOf(config, kinds[kind])
  const informing = makeInformer(config, everyPath(kind), async () => {
    const found = await list()
    lists++
    inStep()
    return found
  })
  const note = (type: string) => (object: KubernetesObject) =>
    void seen.push(seenOf(type, object as unknown as KubeObject))
  const start = () => informing.start().catch((error: unknown) => void faults.push(messageOf(error)))
  informing.on('add', note('ADDED'))
  informing.on('update', note('MODIFIED'))
  informing.on('delete', note('DELETED'))
  informing.on('connect', () => void connects++)
  informing.on('error', async () => {
    await sleep(50)
    if (!isStopped) await start()
  })
  void start()
  const objects = () =>
    new Map(informing.list().map((object) => [idOf(object as unknown as KubeObject), plain(object)] as const))
  const stop = async () => {
    isStopped = true
    await informing.stop()
  }
  return { started, objects, seen, faults, connects: () => connects, stop, lists: () => lists }
}

/** What its generated calls list; for custom kinds they know no types. */
function listOf(config: KubeConfig, { group, version, plural }: KindInfo): List {
  const core = config.makeApiClient(CoreV1Api)
  const custom = config.makeApiClient(CustomObjectsApi)
  const lists: Readonly<Record<string, List>> = {
    secrets: () => core.listSecretForAllNamespaces() as ReturnType<List>,
    namespaces: () => core.listNamespace() as ReturnType<List>,
    events: () => core.listEventForAllNamespaces() as ReturnType<List>,
  }
  return (
    (group === '' ? lists[plural] : undefined) ??
    (() => custom.listClusterCustomObject({ group, version, plural }) as ReturnType<List>)
  )
}

/** What was listed holds times as Dates, what was watched as the server wrote them. */
function plain(object: KubernetesObject): KubeObject {
  const text = JSON.stringify(object, (_key, value: unknown) =>
    typeof value === 'string' ? value.replace(/^(\d{4}-\d\d-\d\dT[\d:]{8})\.000Z$/, '$1Z') : value,
  )
  return JSON.parse(text) as KubeObject
}
