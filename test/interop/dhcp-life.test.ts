import t from 'tap'
import { clients } from './dhcp-clients.ts'
import { listen } from './heard.ts'
import type { Heard } from './heard.ts'
import { addHost } from './hosts.ts'
import { startServer } from './server.ts'
import type { Server } from './server.ts'
import { createSite, missing } from './spaces.ts'
import type { Bridge, Site } from './spaces.ts'

const serverIp = '192.168.77.1'
const taken = '192.168.77.60'
t.jobs = 16

let site: Site
let link: Bridge
let server: Server
let heard: Heard
const skip = await missing()
if (!skip) {
  site = await createSite(async (made) => {
    const space = await made.space()
    link = await made.bridge(space, 'br0', `${serverIp}/24`)
    server = await startServer(space, { serverIp, interfaces: ['br0'], machines: [] })
    heard = await listen(made, link, '192.168.77.3/24')
    await heard.space.ip('addr', 'add', `${taken}/24`, 'dev', 'eth0')
  })
  t.teardown(() => site[Symbol.asyncDispose]())
}

/** Seconds. The first makes a client renew after 2; the second rebind after 7, with 2 left for dhclient's slow clock. */
const leases = { renew: 4, rebind: 9 }
/** of no host: what is sent there is lost */
const nowhere = '02:00:00:00:00:99'
const first = ['dhcp-discover', 'dhcp-offer', 'dhcp-request', 'dhcp-ack']
const again = ['dhcp-request', 'dhcp-ack']

for (const [index, client] of clients.entries()) {
  const skipped = skip || (await missing(...client.programs))
  t.test(
    `${client.name} renews by unicast, and by broadcast when that is lost`,
    { skip: skipped, buffered: true },
    async (t) => {
      const ip = `192.168.77.${30 + index}`
      const host = await addHost(site, link, ip)
      const { mac } = host
      await server.reserve({ mac, ip, leaseSeconds: leases.renew })
      const running = await client.start(host, ...client.quick)
      t.match(await host.waitFor('bound'), { ip, router: serverIp, hostname: 'node1', server: serverIp })
      t.same(server.stages(mac), first)
      await heard.waitFor(mac, first.length)
      t.equal(heard.requests(mac).length, 2, 'DISCOVER and REQUEST are broadcast')

      await server.reserve({ mac, ip, leaseSeconds: leases.rebind })
      await running.renew?.()
      await host.waitFor('renew')
      t.same(server.seen(mac).slice(first.length), [
        { mac, stage: 'dhcp-request', ip, client: 'os' },
        { mac, stage: 'dhcp-ack', ip },
      ])
      t.equal(heard.requests(mac).length, 2, 'the renewal is unicast')

      await host.space.ip('neigh', 'replace', serverIp, 'lladdr', nowhere, 'dev', 'eth0', 'nud', 'permanent')
      const told = (await host.events()).length
      await server.reserve({ mac, ip })
      await running.renew?.()
      t.match(await host.waitFor(client.words.rebound, told), { ip, lease: '3600' })
      t.same(server.stages(mac), [...first, ...again, ...again])
      await heard.waitFor(mac, first.length + 1)
      t.equal(heard.requests(mac).length, 3, 'the last REQUEST is broadcast')
      await running.stop()
    },
  )

  t.test(
    `${client.name} follows its reservation when that changes`,
    { skip: skipped, buffered: true },
    async (t) => {
      const [ip, other, third] = [40, 50, 55].map((start) => `192.168.77.${start + index}`) as [
        string,
        string,
        string,
      ]
      const host = await addHost(site, link, ip)
      const { mac } = host
      await server.reserve({ mac, ip })
      const before = await client.start(host, ...client.quick)
      await host.waitFor('bound')
      await before.stop()

      t.comment('started again with its lease')
      let seen = server.stages(mac).length
      let told = (await host.events()).length
      const restarted = await client.start(host, ...client.quick)
      t.match(await host.waitFor(client.words.again, told), { ip })
      t.same(server.stages(mac).slice(seen), client.words.again === 'bound' ? first : again)
      await restarted.stop()

      t.comment('started again with a lease that is no longer its own')
      await server.reserve({ mac, ip: other, leaseSeconds: leases.renew })
      seen = server.stages(mac).length
      told = (await host.events()).length
      const moved = await client.start(host, ...client.quick)
      t.match(await host.waitFor('bound', told), { ip: other })
      t.same(server.stages(mac).slice(seen), [
        ...(client.words.again === 'bound' ? [] : ['dhcp-request', 'dhcp-nak']),
        ...first,
      ])

      t.comment('renewed when the address is no longer its own')
      await server.reserve({ mac, ip: third })
      seen = server.stages(mac).length
      told = (await host.events()).length
      await moved.renew?.()
      t.match(await host.waitFor('bound', told), { ip: third })
      const stages = server.stages(mac).slice(seen)
      t.same(stages.slice(-first.length), first)
      const refused = stages.slice(0, -first.length).join(' ')
      t.match(
        refused,
        client.isDeafWhenBound ? /^(dhcp-request dhcp-nak ?){1,3}$/ : /^dhcp-request dhcp-nak$/,
      )

      t.comment('given back')
      await moved.release()
      await server.waitFor(mac, 'dhcp-silent')
      t.match(server.seen(mac).at(-1), { type: 'release', why: 'released' })
      await moved.stop()
    },
  )

  t.test(
    `${client.name} declines an address that another host has`,
    { skip: skipped, buffered: true },
    async (t) => {
      const mac = `52:54:00:00:00:0${index}`
      const host = await addHost(site, link, taken, { mac, checksArp: true })
      await server.reserve({ mac, ip: taken })
      const running = await client.start(host, ...client.careful)
      t.match(await server.waitFor(mac, 'dhcp-silent'), { type: 'decline', why: 'declined' })
      await running.stop()
      t.same(server.stages(mac), [...first, 'dhcp-silent'])
    },
  )
}
