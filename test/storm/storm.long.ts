import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { projectDir, readParts } from '../../src/lab/scenario.ts'
import { createSite } from '../interop/spaces.ts'
import type { Site, Space } from '../interop/spaces.ts'
import type { Report, Site as Order } from './machines.ts'

t.setTimeout(300_000)

const count = Number(process.env['STORM_MACHINES'] ?? 1000)
const machines = Array.from({ length: count }, (_, at) => ({
  mac: `52:54:00:5a:${hex(at >> 8)}:${hex(at & 255)}`,
  ip: `10.66.${4 + (at >> 8)}.${at & 255}`,
}))
const main = join(projectDir, 'dist/main.js')

function hex(value: number): string {
  return value.toString(16).padStart(2, '0')
}

t.test('a thousand machines power on within one second', { skip: whyNoLab() ?? false }, async (t) => {
  let house: Space
  let rack: Space
  await using site = await createSite(async (made) => {
    ;[house, rack] = await build(made)
  })
  const dataDir = join(site.folder, 'data')
  await using server = await startServer(house!, dataDir)
  await importMachines(house!, site.folder, dataDir)

  await t.test('none is lost', async (t) => {
    const report = await storm(rack!, { withinMs: 1000, mostBoots: 1 }, async () => {})
    await check(t, report)
    t.equal(report.again, 0, 'nobody had to begin again')
  })
  await t.test('nor when the server is killed in the middle and started again', async (t) => {
    let wasKilled = false
    const report = await storm(rack!, { withinMs: 1000, mostBoots: 4 }, async ({ stages }) => {
      if (wasKilled || stages.done > count / 4 || stages.off + stages.dhcp > count / 2) return
      wasKilled = true
      t.comment(`killed with ${JSON.stringify(stages)}`)
      await server.kill()
      await server.start()
    })
    t.ok(wasKilled)
    await check(t, report)
    t.comment(`${report.again} boots were begun again`)
  })
})

async function check(t: Test, { lost, over, stages }: Report): Promise<void> {
  t.same(lost, [])
  t.equal(stages.done, count)
  const file = await readFile(join(readParts().ipxeDir, 'undionly.kpxe'))
  t.same(over!.sha256, [createHash('sha256').update(file).digest('hex')], 'every boot file is whole')
  t.ok(over!.scripts.every((script) => script.startsWith('#!ipxe')))
  t.comment(`all have their script after ${over!.seconds.toFixed(1)} s`)
}

/** The server's network, and one with all the machines' addresses, on one link. */
async function build(site: Site): Promise<[Space, Space]> {
  const house = await site.space()
  const rack = await site.space()
  const bridge = await site.bridge(house, 'br0', '10.66.0.1/16')
  await site.plug(rack, 'eth0', bridge, { address: '10.66.0.2/16' })
  await rack.ip('route', 'add', 'default', 'via', '10.66.0.1')
  const batch = join(site.folder, 'addresses')
  await writeFile(batch, machines.map(({ ip }) => `addr add ${ip}/32 dev eth0\n`).join(''))
  await rack.ip('-batch', batch)
  return [house, rack]
}

async function importMachines(house: Space, folder: string, dataDir: string): Promise<void> {
  const rows = machines.map(
    ({ mac, ip }, at) => `m${at},${mac},${ip},255.255.0.0,10.66.0.1,10.66.0.1,,/dev/sda`,
  )
  const csv = join(folder, 'hardware.csv')
  const header = 'hostname,mac,ip_address,netmask,gateway,nameservers,labels,disk'
  await writeFile(csv, [header, ...rows].join('\n'))
  const kubeconfig = join(dataDir, 'admin.kubeconfig')
  await house.run(process.execPath, main, 'hardware', 'import', csv, '--kubeconfig', kubeconfig)
}

/** `ironwake serve` with real boot files. */
async function startServer(house: Space, dataDir: string) {
  await mkdir(dataDir)
  const { ipxeDir, osDir } = readParts()
  const flags = ['--data-dir', dataDir, '--address', '10.66.0.1', '--interface', 'br0']
  const argv = [main, 'serve', ...flags, '--ipxe-dir', ipxeDir, '--os-dir', osDir, '--log-level', 'warn']
  const start = () => {
    const started = house.start(process.execPath, ...argv)
    for (const output of [started.stdout, started.stderr]) output?.resume()
    return started
  }
  let child = start()
  const ready = async () => {
    for (;;) {
      const probe = ['curl', '-skf', '-o', '/dev/null', 'https://10.66.0.1:7443/readyz']
      if (
        await house.run(...probe).then(
          () => true,
          () => false,
        )
      )
        return
      if (child.exitCode !== null) throw new Error('the server ended')
      await sleep(50)
    }
  }
  const kill = async () => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  await ready()
  return {
    kill,
    async start() {
      child = start()
      await ready()
    },
    [Symbol.asyncDispose]: kill,
  }
}

/** Powers all machines on. @param watch is told how far they are, a few times a second */
async function storm(
  rack: Space,
  how: Omit<Order, 'macs'>,
  watch: (report: Report) => Promise<void>,
): Promise<Report> {
  const order: Order = { ...how, macs: machines.map(({ mac }) => mac) }
  const program = join(projectDir, 'test/storm/machines.ts')
  const child = rack.start(process.execPath, '--import=tsx', program, JSON.stringify(order))
  let last: Report | undefined
  let watching = Promise.resolve()
  for await (const line of createInterface(child.stdout!)) {
    const report = JSON.parse(line) as Report
    last = report
    watching = watching.then(() => watch(report))
  }
  await watching
  if (!last?.over) throw new Error('the machines did not come to an end')
  return last
}
