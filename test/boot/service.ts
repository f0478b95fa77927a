import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { bootHttp } from '../../src/boot/http.ts'
import type { BootHttpDeps } from '../../src/boot/http.ts'
import { bootFiles } from '../../src/boot/open.ts'
import type { Workflow } from '../../src/model/workflow.ts'
import { hardwareOf, loopback, mac, machineOf, recorder, silent, site, texts } from './things.ts'

export const image = randomBytes(3 * 1024 * 1024 + 77)

/** A boot service on a port of its own, whose folders hold a few files. */
export async function bootService(t: Test, changes: Partial<BootHttpDeps> = {}, workflows: Workflow[] = []) {
  const dir = await mkdtemp(join(tmpdir(), 'ironwake-boot-'))
  const [ipxeDir, osDir, imageDir] = [join(dir, 'ipxe'), join(dir, 'os'), join(dir, 'images')]
  for (const made of [ipxeDir, osDir, imageDir]) await mkdir(made)
  await writeFile(join(ipxeDir, 'ipxe.efi'), 'binary')
  await writeFile(join(ipxeDir, 'undionly.kpxe'), 'bios binary')
  await writeFile(join(osDir, 'vmlinuz-x86_64'), 'kernel')
  await writeFile(join(imageDir, 'disk.img'), image)
  const { recorded, record } = recorder()
  const machine = machineOf()
  const app = bootHttp({
    log: silent,
    files: bootFiles({ ipxeDir, osDir, imageDir, texts, log: silent }),
    texts,
    site,
    caPem: 'PEM',
    identity: { token: () => undefined },
    ready: () => true,
    machineByMac: (asked) => (asked === mac ? machine : undefined),
    machineByIp: (asked) => (asked === loopback ? machine : undefined),
    hardware: () => hardwareOf(),
    workflowsForHardware: () => workflows,
    record,
    ...changes,
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(async () => {
    await app.close()
    await rm(dir, { recursive: true, force: true })
  })
  const { port } = app.server.address() as AddressInfo
  const base = `${changes.tls ? 'https' : 'http'}://127.0.0.1:${port}`
  return { app, port, base, dir, imageDir, recorded }
}

/** Runs a client to its end. @returns what it wrote, bytes as latin1 */
export async function run(command: string, ...words: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, words, {
    encoding: 'latin1',
    maxBuffer: 256 * 1024 * 1024,
  })
  return stdout
}

/** curl's status code and body of one request. */
export async function curl(...words: string[]): Promise<{ status: number; body: string }> {
  const out = await run('curl', '-sS', '--path-as-is', '-w', '\n%{http_code}', ...words)
  const at = out.lastIndexOf('\n')
  return { status: Number(out.slice(at + 1)), body: out.slice(0, at) }
}
