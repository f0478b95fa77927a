import type { Action } from './action.ts'
import { cexec } from './cexec.ts'
import { image2disk } from './image2disk.ts'
import { kexec } from './kexec.ts'
import { reboot } from './reboot.ts'
import { writefile } from './writefile.ts'

const actions: Readonly<Record<string, Action>> = { image2disk, writefile, cexec, kexec, reboot }

/**
 * The name an image is known by: the last part of its path, without registry, tag and digest
 * (`127.0.0.1:5000/embedded/image2disk:v1@sha256:…` → `image2disk`).
 */
export function actionName(image: string): string {
  const path = image.split('@')[0] ?? ''
  const last = path.slice(path.lastIndexOf('/') + 1)
  return (last.split(':')[0] ?? '').toLowerCase()
}

/**
 * The agent's own action for an image.
 * @throws Error naming the image and the actions there are
 */
export function findAction(image: string): Action {
  const name = actionName(image)
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined
  if (action) return action
  const known = Object.keys(actions).join(', ')
  throw new Error(`action image "${image}" is not supported by this agent: it runs ${known}`)
}
