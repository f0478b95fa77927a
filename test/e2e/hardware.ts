import { namespace } from '../../src/lab/install.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import type { Hardware, HardwareInterface, HardwareSpec } from '../../src/model/hardware.ts'

/** What EKS Anywhere's CSV has no column for: puts other interfaces, and whatever else, into an imported Hardware. */
export async function changeHardware(
  lab: Lab,
  name: string,
  change: (interfaces: HardwareInterface[]) => readonly object[],
  spec: HardwareSpec = {},
): Promise<void> {
  const hardware = await lab.api.get<Hardware>('Hardware', namespace, name)
  const interfaces = change(hardware.spec?.interfaces ?? [])
  await lab.api.patch('Hardware', namespace, name, { spec: { ...spec, interfaces } })
}

/** A card in front of the others, which has no address. */
export const firstCard =
  (mac: string) =>
  (interfaces: HardwareInterface[]): HardwareInterface[] => [
    { dhcp: { mac }, netboot: { allowPXE: true } },
    ...interfaces,
  ]

/** The file that every client is given, whatever it is; `undefined`: each its own. */
export const bootFile =
  (lab: Lab, file: string | undefined) =>
  (interfaces: HardwareInterface[]): readonly object[] => {
    const server = file && lab.network.address
    return interfaces.map((nic) => ({
      ...nic,
      dhcp: { ...nic.dhcp, tftp_server_name: server, boot_file_name: file },
    }))
  }
