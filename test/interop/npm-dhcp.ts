import { createRequire } from 'node:module'

type Bound = {
  address: string
  leasePeriod: number
  options: { router: string[]; hostname: string; server: string }
}
type Client = {
  on(event: 'bound', told: (state: Bound) => void): void
  listen(port: number, address: string, listening: () => void): void
  sendDiscover(): void
}
type Dhcp = { createClient(settings: { mac: string }): Client }

/**
 * The client of the npm package `dhcp`, run once: prints its lease as the hook of the other clients does. Argument: the
 * MAC.
 */
const { createClient } = createRequire(import.meta.url)('dhcp') as Dhcp
const client = createClient({ mac: process.argv[2]! })
client.on('bound', ({ address, leasePeriod, options }) => {
  const { hostname, server } = options
  const lease = {
    ip: address,
    router: options.router.join(' '),
    hostname,
    lease: String(leasePeriod),
    server,
  }
  console.log(JSON.stringify({ event: 'bound', ...lease }))
  process.exit()
})
client.listen(68, '0.0.0.0', () => client.sendDiscover())
