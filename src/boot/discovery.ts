import { discoveryLine } from './kernel-line.ts'
import { fill, osBase, patienceOf } from './script.ts'
import type { BootSite, Script, ScriptTexts } from './script.ts'

/** In place of a nonce, in the URL of the identity of a machine that is in no Hardware. */
export const strangerNonce = 'unknown'

/**
 * The script for any machine that is in no Hardware: the netboot OS of its architecture, whose agent then tells what the
 * machine is; its own disk when that does not load. It is the same for all, and iPXE fills in architecture and MAC.
 * @param withIdentity whether unknown machines are given one, so that their agents may call
 */
export function discoveryScript(texts: ScriptTexts, site: BootSite, withIdentity = false): Script {
  const initrd = `${site.initrdName}-\${arch}`
  const { words, refused } = discoveryLine(site, withIdentity ? ['identity.cpio', initrd] : [initrd])
  const base = osBase(site)
  const patience = patienceOf(site)
  const url = `${site.baseUrl}/ipxe/identity/\${mac}/${strangerNonce}/identity.cpio`
  const agent = fill(texts.agent, {
    ...patience,
    kernelUrl: `${base}${site.kernelName}-\${arch}`,
    kernelLine: words.join(' '),
    initrdUrl: `${base}${initrd}`,
    initrd,
    identity: withIdentity ? fill(texts.identity, { ...patience, url }) : '',
  })
  const what = 'the netboot OS (no Hardware has this MAC)'
  const head = fill(texts.head, { machine: '${mac}', what })
  return { text: head + texts.static + agent + texts.disk + texts.end, refused }
}
