import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A block device over a file whose blocks are all there, past the page cache. */
export type Target = AsyncDisposable & { device: string }

/** @throws Error when there is no loop device to be had */
export async function createTarget(path: string, size: number): Promise<Target> {
  await run('fallocate', ['--length', String(size), path])
  const { stdout } = await run('losetup', ['--show', '--direct-io=on', '--find', path])
  const device = stdout.trim()
  const dispose = async () => void (await run('losetup', ['--detach', device]))
  try {
    const blocks = ['bs=1M', `count=${size / 2 ** 20}`, 'oflag=direct', 'conv=fdatasync', 'status=none']
    await run('dd', ['if=/dev/zero', `of=${device}`, ...blocks])
    return { device, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}
