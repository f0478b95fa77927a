import { AppError } from '../model/error.ts'
import type { Machine } from '../model/machine.ts'
import type { BootTarget } from './target.ts'
import { kernelLine } from './kernel-line.ts'
import { plainName, plainText, plainUrl } from './words.ts'

/** The parts of scripts, `ipxe/<name>.ipxe`; `@name@` in them is filled in. */
export const scriptTextNames = [
  'head',
  'agent',
  'identity',
  'disk',
  'chain',
  'end',
  'wait',
  'static',
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
  /** folder of kernel and initramfs; the boot services' own when it is not an http or https URL */
  osUrl: string
  /** names of kernel and initramfs before `-<arch>` */
  kernelName: string
  initrdName: string
  /** how often each file is tried, and seconds between */
  tries: number
  retrySeconds: number
}

/** A script, and the values of the Hardware that were left out of it because iPXE would have run them. */
export type Script = { text: string; refused: string[] }

export type ScriptRequest = {
  machine: Machine
  target: BootTarget
  /** of this boot, when its identity is to be loaded as second initrd */
  nonce: string | undefined
}

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
  'instance-script': 'the iPXE script of its instance (metadata.instance.ipxe_script_url)',
  'ipxe-contents': 'the iPXE script in its Hardware',
  'instance-userdata': 'the iPXE script that is its user data',
}

function scriptHead(texts: ScriptTexts, machine: Machine, target: BootTarget): string {
  const what =
    target.kind === 'agent' ? `the netboot OS (Workflow ${target.workflow})` : targetWords[target.why]
  return fill(texts.head, {
    machine: plainText(`${machine.namespace}/${machine.name} ${machine.mac}`),
    what: plainText(what ?? target.why),
  })
}

const urlFields = {
  'ipxe-url': 'netboot.ipxe.url',
  'instance-script': 'metadata.instance.ipxe_script_url',
} as const

function customPart(texts: ScriptTexts, target: BootTarget & { kind: 'custom' }): Script {
  if (!('url' in target)) return { text: `${target.contents}\n`, refused: [] }
  const url = plainUrl(target.url)
  if (!url) return { text: texts.disk + texts.end, refused: [`${urlFields[target.why]} ${target.url}`] }
  return { text: fill(texts.chain, { url }) + texts.end, refused: [] }
}

function agentPart(texts: ScriptTexts, site: BootSite, { machine, nonce }: ScriptRequest): Script {
  const refused: string[] = []
  const arch = plainName(machine.arch) ?? 'x86_64'
  if (arch !== machine.arch) refused.push(`dhcp.arch ${machine.arch}`)
  const initrd = `${site.initrdName}-${arch}`
  // Linux's EFI stub joins the files of `initrd=` without a gap, and a cpio archive has to begin at a multiple of 4:
  // only the identity's length is one for certain, so it goes first there. iPXE itself pads what it hands over.
  const names = nonce === undefined ? [initrd] : ['identity.cpio', initrd]
  const line = kernelLine(site, machine, names)
  const osUrl = osUrls(site, machine, refused)
  const patience = patienceOf(site)
  const text = fill(texts.agent, {
    ...patience,
    kernelUrl: osUrl(machine.osie.kernel, `${site.kernelName}-${arch}`),
    kernelLine: line.words.join(' '),
    initrdUrl: osUrl(machine.osie.initrd, initrd),
    initrd,
    identity:
      nonce === undefined
        ? ''
        : fill(texts.identity, {
            ...patience,
            url: `${site.baseUrl}/ipxe/identity/${machine.mac}/${nonce}/identity.cpio`,
          }),
  })
  return { text, refused: [...refused, ...line.refused] }
}

/** How often a script tries to load a file, and how long it waits in between. */
export const patienceOf = ({ tries, retrySeconds }: BootSite) => ({
  tries: String(tries),
  seconds: String(retrySeconds),
})

/** Folder of kernel and initramfs, with a slash at the end. */
export const osBase = ({ osUrl, baseUrl }: BootSite): string =>
  plainUrl(`${osUrl.replace(/\/+$/, '')}/`) ?? `${baseUrl}/os/`

/** Where kernel and initramfs come from: Hardware's own place and names, as far as they are fit for a script. */
function osUrls(site: BootSite, machine: Machine, refused: string[]) {
  const asked = machine.osie.baseUrl
  const own = asked === undefined ? undefined : plainUrl(`${asked.replace(/\/+$/, '')}/`)
  if (asked !== undefined && own === undefined) refused.push(`netboot.osie.baseURL ${asked}`)
  const base = own ?? osBase(site)
  return (name: string | undefined, usual: string) => {
    const url = name ? plainUrl(name, base) : undefined
    if (name && !url) refused.push(`netboot.osie name ${name}`)
    return url ?? plainUrl(usual, base) ?? `${base}${usual}`
  }
}

/**
 * Puts `values` in place of `@name@`; what is put in is not looked at again.
 * @throws AppError Internal for a name without a value
 */
export function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/@([a-zA-Z]+)@/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new AppError('Internal', `iPXE script text has no value for @${name}@`)
    return value
  })
}
