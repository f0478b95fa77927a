import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import { loopDevice, noLoopDevices } from '../loop.ts'
import { perform } from './perform.ts'

const skip = noLoopDevices()

async function receiver(t: Test, status = 200) {
  const forms: FormData[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const headers = { 'content-type': request.headers['content-type'] ?? '' }
    forms.push(await new Response(Buffer.concat(parts), { headers }).formData())
    response.writeHead(status).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => (server.closeAllConnections(), server.close()))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/upload`, forms }
}

t.test('a disk is sent as it is, and packed', { skip }, async (t) => {
  const { url, forms } = await receiver(t)
  const device = loopDevice(t, 5 << 20)
  const bytes = randomBytes(5 << 20)
  writeFileSync(device, bytes)
  const plain = await perform(t, 'slurp', { SOURCE_DISK: device, DEST_URL: url, IMG_NAME: 'saved.img' })
  t.equal(plain.message, `5.2 MB of ${device} sent to ${url} as saved.img`)
  const packed = await perform(t, 'slurp', { SOURCE_DISK: device, DEST_URL: url, COMPRESSED: 'true' })
  t.match(packed.message, /as loop\d+\.img\.gz$/)
  const [first, second] = forms.map((form) => form.get('file') as File)
  t.equal(first?.name, 'saved.img')
  t.ok(Buffer.from(await first!.arrayBuffer()).equals(bytes))
  t.ok(gunzipSync(Buffer.from(await second!.arrayBuffer())).equals(bytes))
})

t.test('a server that does not take it is named', { skip }, async (t) => {
  const device = loopDevice(t, 1 << 20)
  const { url } = await receiver(t, 507)
  t.equal(
    (await perform(t, 'slurp', { SOURCE_DISK: device, DEST_URL: url })).message,
    `POST ${url}: the server answered 507`,
  )
  const closed = await perform(t, 'slurp', { SOURCE_DISK: device, DEST_URL: 'http://127.0.0.1:1/' })
  t.match(closed.message, /ECONNREFUSED/)
  t.match(
    (await perform(t, 'slurp', { SOURCE_DISK: device, DEST_URL: 'ftp://x' })).message,
    /DEST_URL is "ftp:\/\/x"/,
  )
})
