import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (how: { type: 'minor' }) => void

/** Bytes that pass before the buffers that nobody holds any more are freed. */
const portion = 8 << 20

/**
 * Frees the buffers of a stream that passes: call it with the length of each. V8 counts what buffers hold but frees them
 * with its own small objects only, so that, left alone, it goes through its whole heap for every 32 MiB or so: half of the
 * CPU time of a download. Its young generation, where the buffers are, is gone through in a moment.
 */
export function createSweep(): (bytes: number) => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as Collect
  let passed = 0
  return (bytes) => {
    passed += bytes
    if (passed < portion) return
    passed = 0
    collect({ type: 'minor' })
  }
}
