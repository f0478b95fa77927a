import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ovmf } from './qemu.ts'
import { projectDir } from './scenario.ts'

const needed = [
  { path: '.cache/lab.json', what: 'set-up has not made the boot parts' },
  { path: 'dist/main.js', what: 'the project is not built' },
  { path: '/dev/net/tun', what: 'the kernel has no tap devices' },
  { path: '/usr/bin/qemu-system-x86_64', what: 'QEMU is not installed' },
  { path: ovmf.code, what: 'the UEFI firmware (ovmf) is not installed' },
]

/** Why machines cannot be booted here; `undefined` when they can. */
export function whyNoLab(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root: no network namespaces'
  return needed.find(({ path }) => !existsSync(path.startsWith('/') ? path : join(projectDir, path)))?.what
}
