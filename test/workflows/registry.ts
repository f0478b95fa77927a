import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Lab } from '../../src/lab/scenario.ts'
import { registry } from '../agent/oci/registry.ts'
import type { Registry } from '../agent/oci/registry.ts'

/** The address at which machines of a lab find its registry, and the flag that tells the server so. */
export const registryHost = '192.168.77.1:5000'
export const registryFlags = ['--boot-registries', `http://${registryHost}`]

/**
 * Debian's docker-registry on the provisioning network, over plain HTTP, until the test ends. Images are pushed to a second
 * one on this host's own loopback, which keeps them in the same folder.
 */
export async function labRegistry(t: Test, lab: Lab): Promise<Pick<Registry, 'push'>> {
  const { push, folder } = await registry(t)
  const config = join(lab.dir, 'registry.yml')
  const settings = {
    version: '0.1',
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: folder } },
    http: { addr: registryHost, secret: randomUUID() },
  }
  await writeFile(config, JSON.stringify(settings))
  const [program, args] = lab.network.inside(['docker-registry', 'serve', config])
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const closed = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await closed
  })
  for await (const line of createInterface(child.stderr)) if (line.includes('listening on')) break
  child.stderr.resume()
  return { push }
}
