import type { Machine } from '../model/machine.ts'
import type { BootSite } from './script.ts'
import { plainWords } from './words.ts'

/** x86's COMMAND_LINE_SIZE is 2048 with the closing NUL; the kernel cuts what is longer without a word. */
const kernelLineBytes = 2047

/** Words for a kernel, and what was left out of them. */
export type KernelLine = { words: string[]; refused: string[] }

/**
 * The netboot OS's kernel command line: Tinkerbell's names in Tinkerbell's order, so that HookOS boots too; then the
 * site's words, then the Hardware's, of which the last wins.
 */
export function kernelLine(site: BootSite, machine: Machine, initrds: readonly string[]): KernelLine {
  const optional = (name: string, value: string | undefined) => (value ? [`${name}=${value}`] : [])
  return bounded(
    [
      ...optional('vlan_id', machine.vlanId),
      ...optional('facility', machine.facilityCode),
      `syslog_host=${site.syslogHost}`,
      `grpc_authority=${site.grpcAuthority}`,
      `tinkerbell_tls=${site.tls}`,
      `tinkerbell_insecure_tls=${site.insecureTls}`,
      `worker_id=${machine.agentId}`,
      `hw_addr=${machine.mac}`,
      kernelModules,
      ...initrds.map((name) => `initrd=${name}`),
      ...consoles(site, machine),
      ...site.kernelArgs,
      ...machine.osie.kernelParams,
    ].join(' '),
  )
}

function bounded(text: string): KernelLine {
  const { words, refused } = plainWords(text)
  const bytes = words.join(' ').length
  const tooLong = bytes > kernelLineBytes ? [`end of the kernel command line: ${bytes} bytes`] : []
  return { words, refused: [...refused.map((word) => `kernel argument ${word}`), ...tooLong] }
}

/**
 * Screen and serial port, unless somebody names others. Linux's 8250 driver makes the first `console=ttyS…` that it can
 * set up the console and leaves the rest alone; `/dev/console` is the one named last, or the screen when that is none of
 * those. So the same port is first and last.
 */
function consoles(site: BootSite, machine: Machine): string[] {
  const said = [machine.facilityCode ?? '', ...site.kernelArgs, ...machine.osie.kernelParams].join(' ')
  if (/(^| )console=/.test(said)) return ['console=tty0']
  const last = machine.arch === 'aarch64' ? 'console=ttyAMA0,115200' : 'console=ttyS0,115200'
  return ['console=tty0', 'console=ttyS0,115200', 'console=ttyS1,115200', last]
}

const kernelModules = 'modules=loop,squashfs,sd-mod,usb-storage intel_iommu=on iommu=pt'

/**
 * The command line of a machine that is in no Hardware, in the words of iPXE: it puts its own MAC in. All consoles there
 * may be, since nothing is known of it.
 * @param initrds names of the files of `initrd=`, which may hold `${arch}`
 */
export function discoveryLine(site: BootSite, initrds: readonly string[]): KernelLine {
  const { words, refused } = plainWords(site.kernelArgs.join(' '))
  const own = [
    `syslog_host=${site.syslogHost}`,
    `grpc_authority=${site.grpcAuthority}`,
    `tinkerbell_tls=${site.tls}`,
    'worker_id=${mac}',
    'hw_addr=${mac}',
    kernelModules,
    ...initrds.map((name) => `initrd=${name}`),
    ...['tty1', 'tty2', 'ttyAMA0', 'ttyAMA1', 'ttyS0', 'ttyS1'].map((name) => `console=${name},115200`),
  ]
  return { words: [...own, ...words], refused: refused.map((word) => `kernel argument ${word}`) }
}
