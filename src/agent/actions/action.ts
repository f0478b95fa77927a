import type { Clock } from '../../model/clock.ts'
import type { Commands } from '../commands.ts'
import type { Gate } from '../image/gate.ts'
import type { Disks } from '../image/device.ts'
import type { Leave } from '../leave.ts'
import type { DiskMounts } from '../mounts.ts'
import type { RegistrySettings } from '../oci/settings.ts'

/** What an action may use of the machine. */
export type Machine = {
  disks: Disks
  mounts: DiskMounts
  commands: Commands
  clock: Clock
  /** whether the machine was started by UEFI */
  uefi: boolean
  /** PEM certificates that are trusted for HTTPS besides the well-known ones */
  trusted: readonly string[]
  /** registries of images, as far as more is known of them than their names */
  registries: readonly RegistrySettings[]
  /** a folder on the RAM disk for what actions need there */
  folder: string
  /** the disk that the last image went to, as a path below /dev */
  installedDisk: { get(): string | undefined; set(path: string): void }
}

export type ActionRun = {
  image: string
  environment: Readonly<Record<string, string>>
  command: readonly string[]
  /** as Docker writes them: SOURCE:DESTINATION[:OPTIONS] */
  volumes: readonly string[]
  /** `host`, or '' for namespaces as usual */
  pidNamespace: string
  networkNamespace: string
  /** aborts on cancellation and at the server's deadline */
  signal: AbortSignal
  /** holds streams up while the action is paused */
  gate?: Gate
  /** one line of the action's log */
  log(line: string): void
  /** @param totalBytes 0 when unknown */
  progress(doneBytes: number, totalBytes: number): void
}

/**
 * `message` is one line on what was done. `leave`: the action has prepared everything for the end of this boot, which
 * comes once the server has acknowledged the success.
 */
export type ActionResult = { message: string; leave?: Leave }

/** An action of the agent. Fails by throwing; the text of the error is what the operator reads. */
export type Action = (run: ActionRun, machine: Machine) => Promise<ActionResult>
