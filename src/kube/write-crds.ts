import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crdFile, customKinds } from './crd.ts'
import { crdText } from './crd-text.ts'

/** Writes the definition of every custom kind into `folder`, and removes those of kinds that are no more. */
async function writeCrds(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const files = customKinds.map(crdFile)
  for (const file of await readdir(folder))
    if (file.endsWith('.yaml') && !files.includes(file)) await rm(join(folder, file))
  for (const info of customKinds) await writeFile(join(folder, crdFile(info)), crdText(info))
}

await writeCrds(fileURLToPath(new URL('../../deploy/crds', import.meta.url)))
