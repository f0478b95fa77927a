import { Type } from 'typebox'
import type { Static } from 'typebox'
import { choice, flag, text } from './field.ts'

const devices = ['pxe', 'disk', 'bios', 'cdrom', 'safe'] as const
const powerActions = ['on', 'off', 'soft', 'status', 'cycle', 'reset'] as const
/** One thing that a BMC does: exactly one of the fields is set. */
export const BmcAction = Type.Object(
  {
    powerAction: choice(
      'Power: on, off, soft (asks the system to shut down), cycle, reset, or only status.',
      powerActions,
    ),
    oneTimeBootDeviceAction: Type.Optional(
      Type.Object(
        {
          device: Type.Optional(
            Type.Array(Type.Enum(devices), { description: 'Devices; the first counts.' }),
          ),
          efiBoot: flag('Whether the next boot is by UEFI.'),
        },
        { description: 'What the machine boots next, once.' },
      ),
    ),
    bootDevice: Type.Optional(
      Type.Object(
        {
          device: text('Such as `pxe`, `disk`, `bios` or `cdrom`.'),
          persistent: flag('For every boot, not only the next.'),
          efiBoot: flag('Whether it boots by UEFI.'),
        },
        { description: 'What the machine boots from.' },
      ),
    ),
    virtualMediaAction: Type.Optional(
      Type.Object(
        {
          mediaURL: text('URL of the image to insert; empty ejects.'),
          kind: choice('Kind of medium.', ['CD']),
        },
        { description: 'Inserts or ejects a virtual CD.' },
      ),
    ),
  },
  { description: 'One thing to do: exactly one of the fields is set.' },
)

export type BmcAction = Static<typeof BmcAction>
