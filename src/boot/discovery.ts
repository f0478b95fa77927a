import { discoveryLine } from './kernel-line.ts'
import { fill, osBase, patienceOf } from './script.ts'
import type { BootSite, Script, ScriptTexts } from './script.ts'

/**
 * The script for any machine that is in no Hardware: the netboot OS of its architecture, whose agent then tells what the
 * machine is; its own disk when that does not load. It is the same for all, and iPXE fills in architecture and MAC.
 */
export function discoveryScript(texts: ScriptTexts, site: BootSite): Script {
  const initrd = `${site.initrdName}-\${arch}`
  const { words, refused } = discoveryLine(site, initrd)
  const base = osBase(site)
  const agent = fill(texts.agent, {
    ...patienceOf(site),
    kernelUrl: `${base}${site.kernelName}-\${arch}`,
    kernelLine: words.join(' '),
    initrdUrl: `${base}${initrd}`,
    initrd,
    identity: '',
  })
  const what = 'the netboot OS (no Hardware has this MAC)'
  const head = fill(texts.head, { machine: '${mac}', what })
  return { text: head + texts.static + agent + texts.disk + texts.end, refused }
}
