import { Type } from 'typebox'
import type { Static } from 'typebox'

const whole = (minimum: number, maximum: number, value: number, description: string) =>
  Type.Integer({ minimum, maximum, default: value, description })

/** The settings of TFTP, below `tftp`. */
export const TftpConfig = Type.Object(
  {
    port: whole(0, 65_535, 69, 'UDP port of the TFTP server'),
    singlePort: Type.Boolean({
      default: false,
      description:
        'answer from tftp.port too, for firewalls that pass nothing else, not from a port per transfer',
    }),
    blockSize: whole(512, 65_464, 1468, 'octets of a TFTP block at most; 1468 fit an Ethernet frame'),
    maxTransfers: whole(1, 65_535, 4096, 'TFTP transfers at once'),
    maxTransfersPerClient: whole(1, 65_535, 16, 'TFTP transfers of one client at once'),
    assetDir: Type.String({
      default: '',
      description: 'more files for TFTP clients, such as firmware of Raspberry Pis; default: none',
    }),
  },
  { additionalProperties: false },
)

export type TftpConfig = Static<typeof TftpConfig>
