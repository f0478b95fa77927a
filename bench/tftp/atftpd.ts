import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../.cache/bench/atftpd', import.meta.url))

export const atftpdProgram = join(root, 'usr/sbin/atftpd')

/**
 * atftpd cannot be installed beside tftpd-hpa, so its Debian package is unpacked where nothing else sees it. Needs the
 * network that packages come from, once.
 */
export async function unpackAtftpd(): Promise<void> {
  if (existsSync(atftpdProgram)) return
  await mkdir(dirname(root), { recursive: true })
  const folder = await mkdtemp(`${root}-`)
  try {
    await run('apt-get', ['-q', 'download', 'atftpd'], { cwd: folder })
    const [file] = (await readdir(folder)).filter((name) => name.endsWith('.deb'))
    await run('dpkg-deb', ['--extract', join(folder, file!), join(folder, 'root')])
    await rm(root, { recursive: true, force: true })
    await rename(join(folder, 'root'), root)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
