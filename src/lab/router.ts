import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { LabNetwork } from './netns.ts'

/**
 * Announces an IPv6 router on the network, as routers of real networks do. iPXE waits 16 s for such an announcement
 * before it goes on with the IPv4 address it has. It ends with the network.
 */
export async function startRouter(network: LabNetwork): Promise<void> {
  const settings = [
    '--no-daemon',
    '--conf-file=/dev/null',
    '--port=0',
    '--user=root',
    '--pid-file=',
    '--leasefile-ro',
  ]
  const announce = ['--enable-ra', `--dhcp-range=::,constructor:${network.bridge},ra-only`]
  const only = [`--interface=${network.bridge}`, '--bind-interfaces']
  const [program, args] = network.inside(['dnsmasq', ...settings, ...only, ...announce])
  const child = spawn(program, args, { stdio: 'ignore', detached: true })
  await once(child, 'spawn')
  child.unref()
}
