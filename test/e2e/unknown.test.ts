import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { createMachine } from '../../src/lab/machine.ts'
import type { Accelerator, Firmware } from '../../src/lab/qemu.ts'
import { startRouter } from '../../src/lab/router.ts'
import { readParts } from '../../src/lab/scenario.ts'
import { networkOf } from '../interop/lab-space.ts'
import { createSite, end } from '../interop/spaces.ts'
import type { Space } from '../interop/spaces.ts'

/** Real firmware that no Hardware knows, with an address of the pool: it runs the script that is the same for all. */
const serverIp = '192.168.77.1'
const skip = whyNoLab() ?? false
t.setTimeout(5 * 60_000)
const [startMs, bootMs] = [60_000, 150_000]
// short boots do not pay for a look at what the host can do
const accelerator: Accelerator = { kind: 'tcg', args: ['-accel', 'tcg'], why: 'always' }
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

type Line = { msg: string; mac?: string; from?: string; file?: { root: string; path: string } }

/** The whole server in `space`, with the pool on. */
async function startWhole(space: Space, dataDir: string) {
  const { ipxeDir, osDir, imageDir } = readParts()
  const settings = {
    'data-dir': dataDir,
    address: serverIp,
    interface: 'br0',
    'dhcp-pool-range': '192.168.77.100-192.168.77.109',
    'dhcp-pool-gateway': serverIp,
    'ipxe-dir': ipxeDir,
    'os-dir': osDir,
    'image-dir': imageDir,
    'log-level': 'debug',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const child = space.start(process.execPath, '--import=tsx', main, 'serve', ...flags)
  const lines: Line[] = []
  let other = ''
  child.stderr!.on('data', (text) => (other += String(text)))
  createInterface(child.stdout!).on('line', (line) => {
    if (line.startsWith('{')) lines.push(JSON.parse(line) as Line)
  })
  const find = async (is: (line: Line) => boolean, ms: number) => {
    for (const deadline = Date.now() + ms; Date.now() < deadline; await sleep(200)) {
      const line = lines.find(is)
      if (line) return line
    }
    return undefined
  }
  /** The first file of that folder that was sent over HTTP; `undefined` when none is within so many ms. */
  const sent = (root: string, ms: number) =>
    find(({ msg, file }) => msg === 'boot file sent' && file?.root === root, ms)
  if (!(await find(({ msg }) => msg === 'ironwake is ready', startMs)))
    throw new Error(`the server is not ready: ${other}${JSON.stringify(lines.slice(-20))}`)
  return { lines, sent, [Symbol.asyncDispose]: () => end(child) }
}

const boots: { firmware: Firmware; mac: string }[] = [
  { firmware: 'bios', mac: '52:54:00:77:05:01' },
  { firmware: 'uefi', mac: '52:54:00:77:05:02' },
]

for (const { firmware, mac } of boots)
  t.test(`an unknown machine with ${firmware} firmware asks for the netboot OS`, { skip }, async (t) => {
    await using site = await createSite(async () => {})
    const space = await site.space()
    const bridge = await site.bridge(space, 'br0', `${serverIp}/24`)
    const network = networkOf(bridge, serverIp)
    await startRouter(network)
    const dir = join(site.folder, firmware)
    await mkdir(dir)
    await using server = await startWhole(space, await mkdtemp(join(site.folder, 'data-')))
    await using machine = await createMachine(network, {
      name: firmware,
      firmware,
      mac,
      dir,
      accelerator,
      memoryMib: 512,
    })
    await machine.powerOn()
    const kernel = await server.sent('os', bootMs)
    if (!kernel) for (const { text } of machine.lines.slice(-40)) t.comment(text)
    t.match(kernel, { from: /^192\.168\.77\.10\d$/, file: { path: 'vmlinuz-x86_64' } })
    const script = server.lines.find(({ msg }) => msg.startsWith('boot script of the netboot OS sent'))
    t.equal(script?.mac, mac)
  })
