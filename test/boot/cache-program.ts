import { readdir } from 'node:fs/promises'
import { pino } from 'pino'
import { openImageCache } from '../../src/boot/cache.ts'
import { parseUpstream } from '../../src/boot/upstreams.ts'
import type { Upstream } from '../../src/boot/upstreams.ts'
import { systemClock } from '../../src/model/clock.ts'

/**
 * Opens one image of a cache, as a program that can be killed or run out of disk. Arguments: folder, upstream, path, and
 * how many bytes to wait for (0: to the end). Prints what became of it.
 */
const [directory = '', upstream = '', path = '', bytes = ''] = process.argv.slice(2)
const cache = await openImageCache({
  directory,
  upstreams: [parseUpstream(upstream) as Upstream],
  maxBytes: 1024 ** 3,
  freshMs: 0,
  checksums: false,
  clock: systemClock,
  log: pino({ level: 'silent' }),
})
const opened = await cache.openPath(path)
if (!opened || 'refused' in opened) console.log('refused', opened?.refused, opened?.why)
else if (bytes === '0') console.log(await opened.isUnchanged(opened.size))
else {
  await opened.read(Number(bytes), 1)
  console.log(`reached ${bytes}`)
  setInterval(() => {}, 1000)
}
if (bytes === '0') console.log(`files ${(await readdir(directory)).length}`)
