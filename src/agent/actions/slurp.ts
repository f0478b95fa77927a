import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { basename } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { rootCertificates } from 'node:tls'
import { createGzip } from 'node:zlib'
import { readable } from '../image/device.ts'
import type { ActionResult, ActionRun, Machine } from './action.ts'
import { httpUrl, isTrue, needed } from './environment.ts'

/**
 * Sends what is on a disk to a web server, as a form with one file. Environment as in Tinkerbell's slurp: SOURCE_DISK,
 * DEST_URL, IMG_NAME (the disk's name), COMPRESSED (with gzip).
 */
export async function slurp(run: ActionRun, machine: Machine): Promise<ActionResult> {
  const { environment, signal } = run
  const disk = needed(environment, 'SOURCE_DISK', 'a device such as /dev/sda')
  const url = httpUrl(environment, 'DEST_URL')
  const packed = isTrue(environment['COMPRESSED'])
  const device = await machine.disks.inspect(disk, signal)
  run.log(`source ${device.path}: ${readable(device.bytes)}, ${device.description}`)
  const name = environment['IMG_NAME'] || `${basename(device.path)}.img${packed ? '.gz' : ''}`
  if (/["\r\n]/.test(name)) throw new Error(`IMG_NAME is "${name}": a file name without quotes expected`)
  let read = 0
  const disks = createReadStream(device.path, { highWaterMark: 1 << 20 })
  disks.on('data', (chunk) => run.progress((read += chunk.length), device.bytes))
  const contents = packed ? disks.pipe(createGzip({ level: 1 })) : disks
  disks.on('error', (error) => contents.destroy(error))
  const status = await post(new URL(url), name, contents, signal, machine.trusted)
  if (status < 200 || status > 299) throw new Error(`POST ${url}: the server answered ${status}`)
  return { message: `${readable(read)} of ${device.path} sent to ${url} as ${name}` }
}

async function* form(boundary: string, name: string, contents: AsyncIterable<Uint8Array>) {
  yield `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n`
  yield 'Content-Type: application/octet-stream\r\n\r\n'
  yield* contents
  yield `\r\n--${boundary}--\r\n`
}

async function post(
  url: URL,
  name: string,
  contents: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  trusted: readonly string[],
): Promise<number> {
  const boundary = randomUUID()
  const headers = {
    'content-type': `multipart/form-data; boundary=${boundary}`,
    'user-agent': 'ironwake-agent',
  }
  const options = { method: 'POST', headers, signal, agent: false }
  const ca = [...rootCertificates, ...trusted]
  const request =
    url.protocol === 'https:' ? httpsRequest(url, { ...options, ca }) : httpRequest(url, options)
  const answered = new Promise<number>((resolve, reject) => {
    request.on('response', (response) => resolve(response.resume().statusCode ?? 0))
    request.on('error', reject)
  })
  const sent = pipeline(Readable.from(form(boundary, name, contents)), request).catch(
    (error: unknown) => error,
  )
  const status = await answered
  const fault = await sent
  if (fault && status < 300) throw fault
  return status
}
