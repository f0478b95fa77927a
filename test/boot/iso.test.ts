import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import {
  findPlaceholders,
  hookPlaceholder,
  ipamOf,
  isoLine,
  isoMac,
  isoSource,
  literalPlaceholder,
  overlapsItself,
  paddedLine,
} from '../../src/boot/iso.ts'
import type { OpenFile } from '../../src/boot/open.ts'
import { patchedFile } from '../../src/boot/patched.ts'
import { parseIp4 } from '../../src/model/ip4.ts'
import type { Machine } from '../../src/model/machine.ts'
import { bootService, curl, run } from './service.ts'
import { mac, machineOf, site } from './things.ts'

const { start, end, length } = hookPlaceholder
const filling = 'k3j9x0q7'.repeat(200).slice(0, length - start.length - end.length)
const placeholder = start + filling + end

/** Reads as many bytes at once as it likes. */
function fileOf(bytes: Buffer, most: () => number = () => bytes.length): OpenFile {
  const readInto = async (buffer: Uint8Array, offset: number, wanted: number) => {
    const part = bytes.subarray(offset, offset + Math.min(wanted, buffer.length, Math.max(1, most())))
    buffer.set(part)
    return part.length
  }
  return {
    size: bytes.length,
    modified: 0,
    version: 'v',
    isUnchanged: async () => true,
    read: async () => bytes,
    readInto,
    close: async () => {},
  }
}

/** Numbers that look random, the same each time (Numerical Recipes' generator). */
function numbers(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

t.test('any partition of a patched image is the patched image', async (t) => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = numbers(seed)
    const parts: Buffer[] = []
    const count = 1 + random(4)
    for (let index = 0; index < count; index += 1) {
      parts.push(Buffer.from(Array.from({ length: random(3000) }, () => random(256))))
      parts.push(Buffer.from(random(5) === 0 ? placeholder.slice(0, random(length)) : placeholder))
    }
    const source = Buffer.concat(parts)
    const line = `hw_addr=${mac} seed=${seed}`
    const padded = paddedLine(line, hookPlaceholder)!
    const want = Buffer.from(source.toString('latin1').replaceAll(placeholder, line.padEnd(length)), 'latin1')
    const file = patchedFile(
      fileOf(source, () => random(5000)),
      hookPlaceholder,
      padded,
    )
    const got: Buffer[] = []
    for (let at = 0; at < source.length;) {
      const buffer = Buffer.alloc(1 + random(random(3) === 0 ? 5 : 2500))
      const bytes = await file.readInto(buffer, at, buffer.length)
      if (bytes === 0) break
      got.push(buffer.subarray(0, bytes))
      at += bytes
    }
    t.ok(Buffer.concat(got).equals(want), `seed ${seed}`)
    t.equal(file.size, source.length)
  }
})

t.test('what looks like a placeholder and is none stays', async (t) => {
  const near = [
    placeholder.slice(0, -1),
    placeholder.slice(1),
    start + filling.toUpperCase() + end,
    start.repeat(20),
    `${start}${' '.repeat(filling.length)}${end}`,
  ]
  for (const text of near)
    t.strictSame(findPlaceholders(Buffer.from(text.padEnd(3000, '.')), hookPlaceholder), [])
  t.strictSame(findPlaceholders(Buffer.from(`..${placeholder}${placeholder}`), hookPlaceholder), [2, 1026])
  const own = literalPlaceholder('@@KERNEL-ARGUMENTS-HERE##')
  t.strictSame(findPlaceholders(Buffer.from('x@@KERNEL-ARGUMENTS-HERE##'), own), [1])
  t.ok(overlapsItself('abcab'))
  t.notOk(overlapsItself('abcd'))
})

const isoMachine = (changes: Partial<Machine> = {}) =>
  machineOf({
    ip: parseIp4('192.168.77.21'),
    netmask: parseIp4('255.255.255.0'),
    gateway: parseIp4('192.168.77.1'),
    nameServers: [parseIp4('192.168.77.2')!, parseIp4('192.168.77.3')!],
    timeServers: [parseIp4('192.168.77.4')!],
    domainName: 'lab.example',
    vlanId: '30',
    ...changes,
  })

t.test('the kernel arguments of one machine, in the order that HookOS knows', async (t) => {
  const machine = isoMachine({
    facilityCode: 'onprem',
    agentId: 'agent-1',
    osie: { baseUrl: undefined, kernel: undefined, initrd: undefined, kernelParams: ['own=1'] },
  })
  const { text, refused } = isoLine({ ...site, kernelArgs: ['site=1'] }, machine, { staticIpam: true })
  t.equal(
    text,
    'facility=onprem console=ttyAMA0 console=ttyS0 console=tty0 console=tty1 console=ttyS1 vlan_id=30 ' +
      `hw_addr=${mac} syslog_host=192.168.77.1 grpc_authority=192.168.77.1:42113 tinkerbell_tls=false ` +
      'tinkerbell_insecure_tls=false worker_id=agent-1 site=1 own=1 ' +
      'ipam=52-54-00-00-00-01:30:192.168.77.21:255.255.255.0:192.168.77.1:node-1:192.168.77.2,192.168.77.3:' +
      'lab.example:192.168.77.4',
  )
  t.strictSame(refused, [])
  const quiet = isoLine(site, isoMachine({ facilityCode: 'x console=ttyS5' }), { staticIpam: false })
  t.match(quiet.text, /^facility=x console=ttyS5 vlan_id=30 /)
  t.notMatch(quiet.text, 'ipam=')
  t.equal(ipamOf(isoMachine({ nameServers: [] })), undefined, 'HookOS wants a DNS server')
})

t.test('a word that a boot loader would run is left out', async (t) => {
  const kernelParams = ['a=1', 'b;reboot', '$c', '"d', '#e', 'f=${g}']
  const machine = isoMachine({ osie: { ...isoMachine().osie, kernelParams } })
  const { text, refused } = isoLine(site, machine, { staticIpam: false })
  t.match(text, / a=1$/)
  t.strictSame(refused.toSorted(), ['"d', '#e', '$c', 'b;reboot', 'f=${g}'])
})

t.test('names of ISO images, and where they come from', async (t) => {
  t.equal(isoMac(`${mac}/hook.iso`), mac)
  t.equal(isoMac(`some/where/${mac.replaceAll(':', '-')}/hook.ISO`), mac)
  for (const path of [mac, `${mac}/hook.img`, 'x/hook.iso', 'hook.iso', `${mac}/.iso`])
    t.equal(isoMac(path), undefined, path)
  t.strictSame(isoSource('http://a/x.iso', 'hook.iso'), {
    kind: 'url',
    url: 'http://a/x.iso',
    by: 'hardware',
  })
  t.strictSame(isoSource(undefined, 'hook.iso'), { kind: 'image', path: 'hook.iso' })
  t.strictSame(isoSource(undefined, 'https://a/x.iso'), { kind: 'url', url: 'https://a/x.iso', by: 'site' })
  t.equal(isoSource('file:///etc/passwd', 'hook.iso'), undefined, 'a Hardware names no file of this server')
  t.equal(isoSource(undefined, ''), undefined)
})

/** A real ISO image with the configurations of two boot loaders in it, or none when there is no xorriso. */
async function makeIso(folder: string): Promise<Buffer | undefined> {
  if (spawnSync('xorriso', ['--version']).error) return undefined
  const tree = join(folder, 'tree')
  await mkdir(join(tree, 'boot'), { recursive: true })
  await writeFile(join(tree, 'boot', 'grub.cfg'), `linux /boot/kernel ${placeholder}\ninitrd /boot/initrd\n`)
  await writeFile(join(tree, 'boot', 'isolinux.cfg'), `append ${placeholder} initrd=/boot/initrd\n`)
  await writeFile(join(tree, 'boot', 'kernel'), Buffer.alloc(3_000_000, 'kernel'))
  const iso = join(folder, 'hook.iso')
  execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-J', '-o', iso, tree], { stdio: 'ignore' })
  return readFile(iso)
}

t.test('a real ISO image reads with the arguments of the machine in it', async (t) => {
  const settings = { source: 'hook.iso', placeholder: hookPlaceholder, staticIpam: true }
  const { base, imageDir, dir } = await bootService(t, {
    iso: settings,
    machineByMac: (asked) => (asked === mac ? isoMachine() : undefined),
  })
  const source = await makeIso(dir)
  if (!source) return t.comment('no xorriso')
  await writeFile(join(imageDir, 'hook.iso'), source)
  const url = `${base}/iso/${mac.replaceAll(':', '-')}/hook.iso`
  const out = join(dir, 'out.iso')
  await run('curl', '-sS', '-o', out, url)
  const patched = await readFile(out)
  t.equal(patched.length, source.length)
  const { text } = isoLine(site, isoMachine(), { staticIpam: true })
  const want = Buffer.from(source.toString('latin1').replaceAll(placeholder, text.padEnd(length)), 'latin1')
  t.ok(patched.equals(want))
  const extracted = join(dir, 'grub.cfg')
  execFileSync('xorriso', ['-osirrox', 'on', '-indev', out, '-extract', '/boot/grub.cfg', extracted], {
    stdio: 'ignore',
  })
  t.equal(
    await readFile(extracted, 'utf8'),
    `linux /boot/kernel ${text.padEnd(length)}\ninitrd /boot/initrd\n`,
  )
  const at = source.indexOf(placeholder)
  for (const [from, to] of [
    [at - 10, at + 5],
    [at + 500, at + 600],
    [at + 1020, at + 1100],
  ] as const) {
    const { status, body } = await curl('-r', `${from}-${to}`, url)
    t.equal(status, 206)
    t.ok(Buffer.from(body, 'latin1').equals(want.subarray(from, to + 1)), `${from}-${to}`)
  }
  const head = await run('curl', '-sSI', url)
  t.match(head, `content-length: ${source.length}`)
})

t.test(
  'no ISO image for strangers, for machines that may not netboot, or with too much to say',
  async (t) => {
    const settings = { source: 'hook.iso', placeholder: hookPlaceholder, staticIpam: false }
    const other = async (machine: Machine | undefined, path = `${mac}/hook.iso`) => {
      const { base, imageDir } = await bootService(t, { iso: settings, machineByMac: () => machine })
      await writeFile(join(imageDir, 'hook.iso'), placeholder)
      return curl(`${base}/iso/${path}`)
    }
    t.equal((await other(undefined)).status, 404)
    t.equal((await other(isoMachine({ allowPxe: false }))).status, 404)
    t.equal((await other(isoMachine(), 'nonsense/hook.iso')).status, 404)
    t.equal((await other(isoMachine({ isoSource: 'file:///etc/passwd' }))).status, 404)
    t.equal(
      (await other(isoMachine({ isoSource: 'http://127.0.0.1:1/x.iso' }))).status,
      404,
      'no cache, no URL',
    )
    const kernelParams = [`long=${'x'.repeat(1000)}`]
    const long = await other(isoMachine({ osie: { ...isoMachine().osie, kernelParams } }))
    t.equal(long.status, 500)
    t.match(long.body, /arguments take \d+ bytes, the ISO image has room for 1024/)
  },
)
