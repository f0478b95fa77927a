import { goArchitecture } from '../oci/manifest.ts'
import { findImage } from '../oci/pull.ts'
import { parseReference } from '../oci/reference.ts'
import type { RegistrySettings } from '../oci/settings.ts'
import type { ActionResult, ActionRun, Machine } from './action.ts'
import { writeDiskImage } from './disk-image.ts'
import { isTrue, needed } from './environment.ts'
import { sumsOf } from './sums.ts'

/**
 * Writes a disk image that a registry keeps as the one layer of an image. Environment as in Tinkerbell's oci2disk:
 * IMG_URL (the image's name, without a scheme), DEST_DISK, REGISTRY_USERNAME, REGISTRY_PASSWORD, SKIP_VERIFY (any
 * certificate will do); COMPRESSED is accepted and not needed. The layer's digest is always checked.
 */
export async function oci2disk(run: ActionRun, machine: Machine): Promise<ActionResult> {
  const { environment, signal, log } = run
  const image = needed(environment, 'IMG_URL', "an image's name such as registry.example/ubuntu:22.04")
  if (/^https?:/.test(image))
    throw new Error(`IMG_URL is "${image}": an image's name without a scheme expected`)
  const disk = needed(environment, 'DEST_DISK', 'a device such as /dev/sda')
  const registries = [...machine.registries, ownSettings(image, environment)]
  const sums = await sumsOf('', run, machine)
  const device = await machine.disks.inspect(disk, signal)
  const { clock, trusted } = machine
  const found = await findImage(image, goArchitecture(process.arch), {
    clock,
    signal,
    gate: run.gate,
    log,
    trusted,
    registries,
  })
  const { layers } = found.manifest
  const [layer] = layers
  if (!layer || layers.length > 1)
    throw new Error(`${found.name} has ${layers.length} layers: one with a disk image expected`)
  const { chunks, range } = await found.repository.open(layer)
  const name = layer.title ? `${found.name} (${layer.title})` : found.name
  return {
    message: await writeDiskImage({ name, bytes: layer.bytes, chunks, range }, sums, device, run, machine),
  }
}

/** What the action knows of the image's registry. */
function ownSettings(image: string, environment: Readonly<Record<string, string>>): RegistrySettings {
  const { REGISTRY_USERNAME: username, REGISTRY_PASSWORD: password, SKIP_VERIFY: unverified } = environment
  return {
    host: parseReference(image).registry,
    ...(username && { username }),
    ...(password && { password }),
    ...(isTrue(unverified) && { insecure: true }),
  }
}
