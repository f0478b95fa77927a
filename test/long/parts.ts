import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectDir } from '../../src/lab/scenario.ts'
import type { LabParts } from '../../src/lab/scenario.ts'

/** What set-up makes for the long tests alone. `signedDir`: shim and GRUB as Debian ships them signed. */
export type LongParts = { arm64: Pick<LabParts, 'osDir' | 'imageDir'>; signedDir: string }

const path = join(projectDir, '.cache/lab-long.json')

/** Why the long tests cannot run; `undefined` when they can. */
export function whyNoLong(...programs: string[]): string | undefined {
  const missing = [path, ...programs].find((needed) => !existsSync(needed))
  return missing && `${missing} is missing: npm run test:long sets up what it needs`
}

export const readLongParts = (): LongParts => JSON.parse(readFileSync(path, 'utf8')) as LongParts
