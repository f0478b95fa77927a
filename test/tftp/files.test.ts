import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { bootFiles, openText } from '../../src/boot/open.ts'
import type { Machine } from '../../src/model/machine.ts'
import { tftpFiles } from '../../src/tftp/files.ts'
import { silent, texts } from '../boot/things.ts'
import { machine } from '../dhcp/packets.ts'

const folder = t.testdir({
  secret: 'secret',
  ipxe: { 'undionly.kpxe': 'a loader', 'grub.cfg': 'of the loaders' },
  os: { 'vmlinuz-x86_64': 'a kernel' },
  assets: {
    'grub.cfg': 'of the assets',
    '.hidden': 'x',
    rpi: { 'start4.elf': 'firmware', 'undionly.kpxe': 'own' },
  },
})
await symlink(join(folder, 'secret'), join(folder, 'assets', 'link'))
await symlink(folder, join(folder, 'assets', 'above'))
await symlink(join(folder, 'assets', 'rpi'), join(folder, 'assets', 'inside'))
await mkdir(join(folder, 'assets', 'grub'))
await writeFile(join(folder, 'assets', 'grub', 'x86.mod'), 'module')

const ours: Machine = {
  ...machine,
  pxelinuxConfig: 'DEFAULT x',
  rpi: { serialNum: 'abcd1234', firmwarePath: '/rpi/', configTxt: 'mine' },
}
const files = bootFiles({
  ipxeDir: join(folder, 'ipxe'),
  osDir: join(folder, 'os'),
  imageDir: folder,
  assetDir: join(folder, 'assets'),
  texts,
  log: silent,
})
const open = tftpFiles({ ...files, openText, machineByIp: () => ours, machineByMac: () => ours })

/** Its text; `undefined` = there is no such file. */
async function read(name: string): Promise<string | undefined> {
  const file = await open(name, { ip: machine.ip! })
  if (!file) return undefined
  const text = Buffer.from(await file.read(0, file.size)).toString()
  await file.close()
  return text
}

const trace = '-00-23b1e307bb35484f535a1f772c06910e-d887dc3912240434-01'
const cases: Record<string, string | undefined> = {
  'undionly.kpxe': 'a loader',
  '/any/folder/undionly.kpxe': 'a loader',
  [`undionly.kpxe${trace}`]: 'a loader',
  [`${machine.mac}/undionly.kpxe`]: 'a loader',
  '020000000001/undionly.kpxe': 'a loader',
  'os/vmlinuz-x86_64': 'a kernel',
  'autoexec.ipxe': texts.autoexec,
  [`${machine.mac}/autoexec.ipxe`]: texts.autoexec,
  'grub.cfg': 'of the loaders',
  'grub/x86.mod': 'module',
  '02-00-00-00-00-01/grub/x86.mod': 'module',
  [`pxelinux.cfg/01-${machine.mac.replaceAll(':', '-')}`]: 'DEFAULT x',
  'abcd1234/config.txt': 'mine',
  'abcd1234/start4.elf': 'firmware',
  'abcd1234/undionly.kpxe': 'own',
  'abcd1234/none.elf': undefined,
  'inside/start4.elf': 'firmware',
  link: undefined,
  'above/secret': undefined,
  '../secret': undefined,
  'grub/../../secret': undefined,
  'abcd1234/../../secret': undefined,
  'abcd1234/../../link': undefined,
  '.hidden': undefined,
  grub: undefined,
  '/etc/passwd': undefined,
  '': undefined,
}
t.test('each name gives its file, and none leads out of its folder', async (t) => {
  for (const [name, text] of Object.entries(cases)) t.equal(await read(name), text, name)
})

t.test('without a folder of assets there are none', async (t) => {
  const dirs = { ipxeDir: join(folder, 'ipxe'), osDir: join(folder, 'os'), imageDir: folder }
  const bare = bootFiles({ ...dirs, texts, log: silent })
  t.equal(await bare.openAsset('package.json'), undefined)
})
