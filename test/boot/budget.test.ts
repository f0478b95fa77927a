import { once } from 'node:events'
import { get } from 'node:http'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { randomBytes } from 'node:crypto'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { createImageBudget } from '../../src/boot/budget.ts'
import type { BudgetRules } from '../../src/boot/budget.ts'
import { newDownloads } from '../../src/boot/send.ts'
import type { Downloads } from '../../src/boot/send.ts'
import type { Clock } from '../../src/model/clock.ts'
import { systemClock } from '../../src/model/clock.ts'
import type { Ip4 } from '../../src/model/ip4.ts'
import { parseMac } from '../../src/model/mac.ts'
import { bootService, image } from './service.ts'
import { machineOf } from './things.ts'

const mib = 1024 * 1024
const macs = { '127.0.0.2': parseMac('52:54:00:00:00:0a')!, '127.0.0.3': parseMac('52:54:00:00:00:0b')! }
const ways: [string, () => Downloads][] = [
  ['by the system', newDownloads],
  ['through the process', () => ({ active: 0 })],
]

/** Machines at 127.0.0.2 and 127.0.0.3, with images `disk.img` and `big.img` (1 GiB). */
async function house(t: Test, rules: Partial<BudgetRules>, downloads: Downloads, clock: Clock = systemClock) {
  const perSecond = { total: 0, ofMachine: 0 }
  const budget = createImageBudget({ places: 512, ofMachine: 64, perSecond, ...rules }, clock)
  const machineByIp = (ip: Ip4) =>
    Object.hasOwn(macs, ip) ? machineOf({ mac: macs[ip as keyof typeof macs] }) : undefined
  const service = await bootService(t, { budget, downloads, machineByIp })
  await writeFile(join(service.imageDir, 'big.img'), '')
  await truncate(join(service.imageDir, 'big.img'), 1024 * mib)
  const ask = async (from: keyof typeof macs, path: string, options: RequestOptions = {}) => {
    const request = get(`${service.base}${path}`, { localAddress: from, agent: false, ...options })
    t.teardown(() => request.destroy())
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.on('error', () => {})
    return response
  }
  const waits = () => service.recorded.filter(({ stage }) => stage === 'image-waits')
  return { ...service, budget, ask, waits }
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition() && tries < 2000; tries += 1) await systemClock.sleep(5)
}

for (const [way, downloads] of ways)
  t.test(`two machines share a rate fairly, images sent ${way}`, async (t) => {
    const rules = { perSecond: { total: 16 * mib, ofMachine: 0 } }
    const { ask, budget } = await house(t, rules, downloads())
    const startedAt = Date.now()
    const had = { '127.0.0.2': 0, '127.0.0.3': 0 }
    const readers = (['127.0.0.2', '127.0.0.2', '127.0.0.2', '127.0.0.3'] as const).map(async (from) => {
      const response = await ask(from, '/images/big.img')
      response.on('data', (part: Buffer) => void (had[from] += part.length))
      return response
    })
    const responses = await Promise.all(readers)
    const sum = () => had['127.0.0.2'] + had['127.0.0.3']
    await until(() => sum() > 32 * mib)
    t.ok(Date.now() - startedAt > 1000, 'no faster than twice the rate')
    const share = had['127.0.0.2'] / had['127.0.0.3']
    t.ok(share > 0.5 && share < 2, `three readers had ${share} times what one of another machine had`)
    for (const response of responses) response.destroy()
    await until(() => budget.figures().sending === 0)
    t.same(budget.figures(), { sending: 0, waiting: 0 })
  })

for (const [way, downloads] of ways)
  t.test(
    `who waits gets all of its range, once the one before it has died; images sent ${way}`,
    async (t) => {
      const { ask, budget, waits, recorded } = await house(t, { places: 1 }, downloads())
      const first = await ask('127.0.0.2', '/images/big.img')
      const range = { headers: { range: 'bytes=1000-' } }
      const second = await ask('127.0.0.3', '/images/disk.img', range)
      t.equal(second.statusCode, 206)
      t.equal(second.headers['content-length'], String(image.length - 1000))
      t.same(waits(), [
        { mac: macs['127.0.0.3'], stage: 'image-waits', facts: { file: 'disk.img', ahead: 1 } },
      ])
      t.same(budget.figures(), { sending: 1, waiting: 1 })
      first.destroy()
      t.ok((await bodyOf(second)).equals(image.subarray(1000)))
      await until(() => recorded.some(({ mac, stage }) => mac === macs['127.0.0.3'] && stage === 'image'))
      const { facts } = recorded.find(({ mac, stage }) => mac === macs['127.0.0.3'] && stage === 'image')!
      t.match(facts, { file: 'disk.img', bytes: image.length - 1000, waitedMs: Number })
      t.same(budget.figures(), { sending: 0, waiting: 0 })
    },
  )

t.test('who goes away while it waits is forgotten', async (t) => {
  const { ask, budget } = await house(t, { places: 1 }, newDownloads())
  await ask('127.0.0.2', '/images/big.img')
  const second = await ask('127.0.0.3', '/images/disk.img')
  second.destroy()
  await until(() => budget.figures().waiting === 0)
  t.same(budget.figures(), { sending: 1, waiting: 0 })
})

t.test('who waits for long hears something now and then, and has it only once in the end', async (t) => {
  const clock: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(10, signal) }
  const { ask, budget } = await house(t, { places: 1 }, newDownloads(), clock)
  const first = await ask('127.0.0.2', '/images/big.img')
  const second = await ask('127.0.0.3', '/images/disk.img')
  const parts: Buffer[] = []
  second.on('data', (part: Buffer) => parts.push(part))
  await until(() => parts.length > 5)
  t.same(budget.figures(), { sending: 1, waiting: 1 })
  first.destroy()
  await once(second, 'end')
  t.ok(Buffer.concat(parts).equals(image))
})

t.test('what boots a machine waits for nobody, nor do short answers', async (t) => {
  const { ask, dir, waits } = await house(t, { places: 1 }, newDownloads())
  await writeFile(join(dir, 'os', 'initramfs-x86_64'), randomBytes(2 * mib))
  await ask('127.0.0.2', '/images/big.img')
  const initramfs = await bodyOf(await ask('127.0.0.3', '/os/initramfs-x86_64'))
  t.equal(initramfs.length, 2 * mib)
  const ipxe = { headers: { 'user-agent': 'iPXE/1.21.1+git' } }
  t.ok((await bodyOf(await ask('127.0.0.3', '/images/disk.img', ipxe))).equals(image))
  const short = { headers: { range: 'bytes=-512' } }
  t.equal((await bodyOf(await ask('127.0.0.3', '/images/disk.img', short))).length, 512)
  const head = await ask('127.0.0.3', '/images/disk.img', { method: 'HEAD' })
  t.equal(head.headers['content-length'], String(image.length))
  t.same(waits(), [])
})
