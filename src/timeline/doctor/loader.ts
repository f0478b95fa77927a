import { archOf, failed, promised } from './boot-file.ts'
import { firmwareOf, isLoader, isWhole, programOf, textOf } from './read.ts'
import { fact, isAfter, portOf, saw, silence, spell } from './rule.ts'
import type { Rule } from './rule.ts'

const noAcks: Rule = (look) => {
  const found = failed(look, 'timeout')
  if (!found) return undefined
  const isFirst = /block 1$|options$/.test(textOf(found.facts, 'detail'))
  return {
    cause: 'tftp-no-acks',
    weight: 91,
    title: isFirst
      ? `its request for ${textOf(found.facts, 'file')} arrived, the answer did not`
      : `its transfer of ${textOf(found.facts, 'file')} broke off on the way`,
    evidence: [saw(found)],
    todo: isFirst
      ? [
          `open UDP from ${look.server.address} (any port above 1023) to the machine: a TFTP server answers from a port of its own for each transfer`,
          'a router or firewall with NAT between needs its TFTP helper',
          'check that the machine’s netmask and gateway lead back to the server',
        ]
      : [
          'look for packet loss: cable, duplex mismatch, an overloaded switch port (`ethtool -S`)',
          'look for a smaller MTU on the way (VLAN or tunnel): blocks are 1468 octets at most',
        ],
  }
}

const aborted: Rule = (look) => {
  const found = failed(look, 'client-error', 'client-gone')
  if (!found) return undefined
  return {
    cause: 'tftp-aborted',
    weight: 88,
    title: `it broke off its read of ${textOf(found.facts, 'file')}`,
    evidence: [saw(found)],
    todo: [
      'the firmware may not have the memory, or take no file of this size: try snponly.efi or undionly.kpxe (netboot.ipxe.binary)',
      'update the firmware of the network card',
      'was the machine switched off or reset in that moment?',
    ],
  }
}

const notRequested: Rule = (look) => {
  const named = promised(look)
  if (look.step !== 'addressed' || !look.stuck || !named?.file || failed(look, ...anyFailure))
    return undefined
  const { ack, file } = named
  if (/^https?:/.test(file))
    return {
      cause: 'loader-not-fetched',
      weight: 85,
      title: `it was given ${file} and did not fetch it`,
      evidence: [saw(ack), fact(silence(look))],
      todo: [
        `open ${portOf(look, 'http', 'TCP')} for the machine`,
        'some firmware takes https or names only: check its HTTP boot settings, or use PXE (TFTP)',
      ],
    }
  return {
    cause: 'tftp-no-request',
    weight: 86,
    title: `it was told to read ${file} by TFTP, and no request came`,
    evidence: [saw(ack), fact(silence(look))],
    todo: [
      `open ${portOf(look, 'tftp', 'UDP')} for the machine: a firewall or router between may drop it`,
      'a second DHCP or proxy DHCP server (port 4011) may send it elsewhere: look with `tcpdump -ni any port 67 or port 69 or port 4011`',
      'check the gateway in the Hardware when the machine is in another network than the server',
    ],
  }
}

const anyFailure = [
  'timeout',
  'client-error',
  'client-gone',
  'read-error',
  'no such file',
  'the file cannot be read',
]

/** Firmware that will not start a loader reads it whole, and then does something else: the next device, or the same again. */
const notStarted: Rule = (look) => {
  if (look.step !== 'loader' || !look.stuck || !look.sign) return undefined
  const { sign } = look
  const firmware = firmwareOf(archOf(look))
  const isEfi = firmware?.uefi ?? /\.efi$/i.test(textOf(sign.facts, 'file'))
  const again = look.seen
    .filter((entry) => isLoader(entry) && isWhole(entry))
    .reduce((sum, { count }) => sum + count, 0)
  const next = look.ever('dhcp-discover', (entry) => isAfter(sign)(entry) && programOf(entry) !== 'os')
  const evidence = [
    saw(sign),
    ...(again > 1 ? [fact(`it was read whole ${again} times, and iPXE never asked for an address`)] : []),
    ...(next
      ? [
          {
            at: next.lastAt,
            text: `${spell(Math.max(next.lastAt - sign.lastAt, 0))} later the firmware asked anew`,
          },
        ]
      : [fact(silence(look))]),
  ]
  if (!isEfi)
    return {
      cause: 'loader-did-not-start',
      weight: 80,
      title: `it read ${textOf(sign.facts, 'file')} whole, and iPXE did not ask for an address`,
      evidence,
      todo: [
        'look at its screen: iPXE says what it misses',
        'try another program: ipxe.pxe in place of undionly.kpxe (netboot.ipxe.binary) brings its own network drivers',
      ],
    }
  return {
    cause: 'secure-boot',
    weight: again > 1 || next ? 88 : 78,
    title: `it read ${textOf(sign.facts, 'file')} whole and did not start it: most likely Secure Boot refuses it`,
    evidence,
    todo: [
      'switch Secure Boot off in the firmware, or serve a signed loader (netboot.ipxe.binary)',
      'look at its screen for "Access Denied" or "Security Violation"',
      'if Secure Boot is off: the loader has no driver for the card, try snponly.efi (netboot.ipxe.binary)',
    ],
  }
}

/** What may be wrong from the boot file to iPXE. */
export const loaderRules: readonly Rule[] = [noAcks, aborted, notRequested, notStarted]
