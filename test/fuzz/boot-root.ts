import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootFiles } from '../../src/boot/open.ts'
import type { BootFiles } from '../../src/boot/open.ts'
import { silent, texts } from '../boot/things.ts'

export const marker = 'this must never leave the machine'

/** Folders as an operator has them, with traps in them, beside a secret file. */
export type BootRoot = Disposable & {
  files: BootFiles
  /** path of the secret file */
  outside: string
  /** what may be handed out, as text */
  contents: ReadonlySet<string>
  /** changes when anything in the folders does, secret included */
  fingerprint(): string
}

export function makeBootRoot(): BootRoot {
  const dir = mkdtempSync(join(tmpdir(), 'ironwake-fuzz-'))
  const [ipxeDir, osDir, imageDir] = ['ipxe', 'os', 'images'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ]
  for (const made of [ipxeDir, osDir, imageDir, join(osDir, 'folder')]) mkdirSync(made)
  const outside = join(dir, 'secret')
  const served = new Map([
    [join(ipxeDir, 'ipxe.efi'), 'ipxe.efi '.repeat(3000)],
    [join(ipxeDir, 'undionly.kpxe'), 'undionly '.repeat(100)],
    [join(ipxeDir, 'snponly.efi'), 'snponly'],
    [join(osDir, 'vmlinuz-x86_64'), 'vmlinuz '.repeat(5000)],
    [join(osDir, 'folder', 'deep'), ''],
  ])
  for (const [path, text] of served) writeFileSync(path, text)
  writeFileSync(outside, marker)
  writeFileSync(join(imageDir, 'image'), marker)
  for (const folder of [ipxeDir, osDir]) {
    writeFileSync(join(folder, '.hidden'), marker)
    symlinkSync('../secret', join(folder, 'outside'))
    symlinkSync(outside, join(folder, 'absolute'))
    symlinkSync('..', join(folder, 'up'))
    symlinkSync('loop', join(folder, 'loop'))
    execFileSync('mkfifo', [join(folder, 'pipe')])
  }
  symlinkSync('vmlinuz-x86_64', join(osDir, 'inside'))
  return {
    files: bootFiles({ ipxeDir, osDir, imageDir, texts, log: silent }),
    outside,
    contents: new Set([...served.values(), texts.autoexec]),
    fingerprint: () => fingerprint(dir),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  }
}

function fingerprint(dir: string): string {
  const hash = createHash('sha256')
  const add = (folder: string) => {
    for (const name of readdirSync(folder).toSorted()) {
      const path = join(folder, name)
      const stats = lstatSync(path)
      hash.update(`${path} ${stats.mode} ${stats.size} ${stats.mtimeMs}\n`)
      if (stats.isFile()) hash.update(readFileSync(path))
      if (stats.isDirectory()) add(path)
    }
  }
  add(dir)
  return hash.digest('hex')
}
