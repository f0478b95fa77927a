import { AppError } from '../model/error.ts'
import type { Machine } from '../model/machine.ts'
import type { BootTarget } from './target.ts'
import { plainName, plainText, plainUrl, plainWords } from './words.ts'

/** The parts of scripts, `ipxe/<name>.ipxe`; `@name@` in them is filled in. */
export const scriptTextNames = [
  'head',
  'agent',
  'identity',
  'disk',
  'chain',
  'end',
  'wait',
  'autoexec',
] as const
export type ScriptTexts = Readonly<Record<(typeof scriptTextNames)[number], string>>

/** What scripts say about this server. */
export type BootSite = {
  /** `http://address:port` of the boot services, without a slash at the end */
  baseUrl: string
  /** `host:port` for agents */
  grpcAuthority: string
  syslogHost: string
  /** what Tinkerbell's agents are told: whether to speak TLS, and whether to skip checking the certificate */
  tls: boolean
  insecureTls: boolean
  /** more kernel arguments for every machine */
  kernelArgs: readonly string[]
}

/** A script, and the values of the Hardware that were left out of it because iPXE would have run them. */
export type Script = { text: string; refused: string[] }

export type ScriptRequest = {
  machine: Machine
  target: BootTarget
  /** of this boot, when its identity is to be loaded as second initrd */
  nonce: string | undefined
}

/** x86's COMMAND_LINE_SIZE is 2048 with the closing NUL; the kernel cuts what is longer without a word. */
const kernelLineBytes = 2047

/** The `auto.ipxe` of one machine for one boot. */
export function machineScript(texts: ScriptTexts, site: BootSite, request: ScriptRequest): Script {
  const { machine, target } = request
  const head = scriptHead(texts, machine, target)
  if (target.kind === 'agent') {
    const agent = agentPart(texts, site, request)
    return { text: head + agent.text + texts.disk + texts.end, refused: agent.refused }
  }
  if (target.kind === 'custom') {
    const custom = customPart(texts, target)
    return { text: head + custom.text, refused: custom.refused }
  }
  if (!target.thenAgent) return { text: head + texts.disk + texts.end, refused: [] }
  const agent = agentPart(texts, site, request)
  return { text: head + texts.disk + agent.text + texts.end, refused: agent.refused }
}

/** The script of a MAC that no Hardware has: its own disk. */
export function unknownMachineScript(texts: ScriptTexts, mac: string): string {
  const what = 'its own disk (no Hardware has this MAC)'
  return fill(texts.head, { machine: plainText(mac), what }) + texts.disk + texts.end
}

/** The script that asks for `url` again in a moment, while the server does not know its machines yet. */
export function waitScript(texts: ScriptTexts, url: string): string {
  return fill(texts.wait, { url })
}

const targetWords: Readonly<Record<string, string>> = {
  'netboot-not-allowed': 'its own disk (netboot is not allowed)',
  installed: 'its own disk (it is installed)',
  'nothing-to-do': 'its own disk (no Workflow waits for it)',
  'ipxe-url': 'the iPXE script at the URL in its Hardware',
  'ipxe-contents': 'the iPXE script in its Hardware',
}

function scriptHead(texts: ScriptTexts, machine: Machine, target: BootTarget): string {
  const what =
    target.kind === 'agent' ? `the netboot OS (Workflow ${target.workflow})` : targetWords[target.why]
  return fill(texts.head, {
    machine: plainText(`${machine.namespace}/${machine.name} ${machine.mac}`),
    what: plainText(what ?? target.why),
  })
}

function customPart(texts: ScriptTexts, target: BootTarget & { kind: 'custom' }): Script {
  if (target.why === 'ipxe-contents') return { text: `${target.contents}\n`, refused: [] }
  const url = plainUrl(target.url)
  if (!url) return { text: texts.disk + texts.end, refused: [`netboot.ipxe.url ${target.url}`] }
  return { text: fill(texts.chain, { url }) + texts.end, refused: [] }
}

function agentPart(texts: ScriptTexts, site: BootSite, { machine, nonce }: ScriptRequest): Script {
  const refused: string[] = []
  const arch = plainName(machine.arch) ?? 'x86_64'
  if (arch !== machine.arch) refused.push(`dhcp.arch ${machine.arch}`)
  const initrd = `initramfs-${arch}`
  // Linux's EFI stub joins the files of `initrd=` without a gap, and a cpio archive has to begin at a multiple of 4:
  // only the identity's length is one for certain, so it goes first there. iPXE itself pads what it hands over.
  const names = nonce === undefined ? [initrd] : ['identity.cpio', initrd]
  const line = kernelLine(site, machine, names)
  const osUrl = osUrls(site, machine, refused)
  const text = fill(texts.agent, {
    kernelUrl: osUrl(machine.osie.kernel, `vmlinuz-${arch}`),
    kernelLine: line.words.join(' '),
    initrdUrl: osUrl(machine.osie.initrd, initrd),
    initrd,
    identity:
      nonce === undefined
        ? ''
        : fill(texts.identity, {
            url: `${site.baseUrl}/ipxe/identity/${machine.mac}/${nonce}/identity.cpio`,
          }),
  })
  return { text, refused: [...refused, ...line.refused] }
}

/** Where kernel and initramfs come from: Hardware's own place and names, as far as they are fit for a script. */
function osUrls(site: BootSite, machine: Machine, refused: string[]) {
  const asked = machine.osie.baseUrl
  const own = asked === undefined ? undefined : plainUrl(`${asked.replace(/\/+$/, '')}/`)
  if (asked !== undefined && own === undefined) refused.push(`netboot.osie.baseURL ${asked}`)
  const base = own ?? `${site.baseUrl}/os/`
  return (name: string | undefined, usual: string) => {
    const url = name ? plainUrl(name, base) : undefined
    if (name && !url) refused.push(`netboot.osie name ${name}`)
    return url ?? plainUrl(usual, base) ?? `${base}${usual}`
  }
}

/**
 * The netboot OS's kernel command line: Tinkerbell's names in Tinkerbell's order, so that HookOS boots too; then the
 * site's words, then the Hardware's, of which the last wins.
 */
function kernelLine(site: BootSite, machine: Machine, initrds: readonly string[]) {
  const optional = (name: string, value: string | undefined) => (value ? [`${name}=${value}`] : [])
  const { words, refused } = plainWords(
    [
      ...optional('vlan_id', machine.vlanId),
      ...optional('facility', machine.facilityCode),
      `syslog_host=${site.syslogHost}`,
      `grpc_authority=${site.grpcAuthority}`,
      `tinkerbell_tls=${site.tls}`,
      `tinkerbell_insecure_tls=${site.insecureTls}`,
      `worker_id=${machine.agentId}`,
      `hw_addr=${machine.mac}`,
      'modules=loop,squashfs,sd-mod,usb-storage intel_iommu=on iommu=pt',
      ...initrds.map((name) => `initrd=${name}`),
      ...consoles(site, machine),
      ...site.kernelArgs,
      ...machine.osie.kernelParams,
    ].join(' '),
  )
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

/**
 * Puts `values` in place of `@name@`; what is put in is not looked at again.
 * @throws AppError Internal for a name without a value
 */
function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/@([a-zA-Z]+)@/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new AppError('Internal', `iPXE script text has no value for @${name}@`)
    return value
  })
}
