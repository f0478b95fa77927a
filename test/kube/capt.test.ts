import t from 'tap'
import { capt, label, provisioned } from './capt.ts'
import type { Machine, Role } from './capt.ts'
import { holderOf } from './client.ts'
import { hardware, ns1, watching } from './server.ts'
import { openSite } from './site.ts'

const roles: Role[] = ['cp', 'cp', 'cp', 'worker', 'worker', 'worker']
const macOf = (index: number) => `52:54:00:00:02:0${index}`
const ipOf = (index: number) => `10.0.0.1${index}`

t.test('3 control-plane and 3 worker machines, from claim to release, by the calls of CAPT', async (t) => {
  const house = await openSite()
  const { server } = house
  t.teardown(house.close)
  for (const [index, type] of roles.entries()) {
    const object = hardware(`hw-${index}`, { type }, macOf(index))
    object.spec.interfaces[0]!.dhcp.ip.address = ipOf(index)
    await server.client.request('POST', `${ns1}/hardware`, object)
  }
  for (const index of roles.keys()) await house.attachAgent(macOf(index))

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
