import type { Action } from './action.ts'
import { archive2disk } from './archive2disk.ts'
import { cexec } from './cexec.ts'
import { container } from './container.ts'
import { grub2disk } from './grub2disk.ts'
import { image2disk, qemuimg2disk } from './image2disk.ts'
import { kexec } from './kexec.ts'
import { oci2disk } from './oci2disk.ts'
import { reboot } from './reboot.ts'
import { rootio } from './rootio.ts'
import { slurp } from './slurp.ts'
import { waitdaemon } from './waitdaemon.ts'
import { writefile } from './writefile.ts'

const actions: Readonly<Record<string, Action>> = {
  image2disk,
  oci2disk,
  qemuimg2disk,
  archive2disk,
  writefile,
  rootio,
  grub2disk,
  cexec,
  kexec,
  reboot,
  slurp,
  waitdaemon: waitdaemon(native),
}

/**
 * The name an image is known by: the last part of its path, without registry, tag and digest
 * (`127.0.0.1:5000/embedded/image2disk:v1@sha256:…` → `image2disk`).
 */
export function actionName(image: string): string {
  const path = image.split('@')[0] ?? ''
  const last = path.slice(path.lastIndexOf('/') + 1)
  return (last.split(':')[0] ?? '').toLowerCase()
}

/** The agent's own action for an image, which need not exist. */
function native(image: string): Action | undefined {
  const name = actionName(image)
  return Object.hasOwn(actions, name) ? actions[name] : undefined
}

/** Whether the agent does itself what the image is for. */
export const isNative = (image: string): boolean => native(image) !== undefined

/** What an image does here; any that the agent has no action of its own for is run as a container. */
export function findAction(image: string): Action {
  return native(image) ?? container
}
