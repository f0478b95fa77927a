import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openImageCache } from '../../src/boot/cache.ts'
import type { CacheDeps } from '../../src/boot/cache.ts'
import { parseUpstream } from '../../src/boot/upstreams.ts'
import type { Upstream } from '../../src/boot/upstreams.ts'
import { bootService, curl } from './service.ts'
import { silent } from './things.ts'

export const image = randomBytes(5 * 1024 * 1024 + 321)
export const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
export const etag = '"v1"'
/** Waits that are over at once, so that nothing is timed. */
export const clock = { now: () => Date.now(), sleep: async () => {} }

export const upstreamsOf = (...texts: string[]) => texts.map((text) => parseUpstream(text) as Upstream)

export async function cacheService(
  t: Test,
  upstreams: Upstream[],
  changes: Partial<CacheDeps> = {},
  directory?: string,
) {
  const cache = await openImageCache({
    directory: directory ?? join(t.testdir({}), 'cache'),
    upstreams,
    maxBytes: 1024 ** 3,
    freshMs: 60_000,
    checksums: true,
    clock,
    log: silent,
    ...changes,
  })
  t.teardown(() => cache.close())
  const service = await bootService(t, { cache })
  return { ...service, cache, get: (path: string) => curl(`${service.base}/images/cache/${path}`) }
}

export const bytesOf = ({ body }: { body: string }) => Buffer.from(body, 'latin1')
