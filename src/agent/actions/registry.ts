import type { Action } from './action.ts'
import { cexec } from './cexec.ts'
import { container } from './container.ts'
import { image2disk, qemuimg2disk } from './image2disk.ts'
import { kexec } from './kexec.ts'
import { oci2disk } from './oci2disk.ts'
import { reboot } from './reboot.ts'
import { writefile } from './writefile.ts'

const actions: Readonly<Record<string, Action>> = {
  image2disk,
  oci2disk,
  qemuimg2disk,
  writefile,
  cexec,
  kexec,
  reboot,
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

/** What an image does here: an action of the agent's own, whose image need not exist; any other is run as a container. */
export function findAction(image: string): Action {
  const name = actionName(image)
  return (Object.hasOwn(actions, name) ? actions[name] : undefined) ?? container
}
