import { readFileSync, symlinkSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { kexec } from '../../../src/agent/actions/kexec.ts'
import { CommandFault } from '../../../src/agent/commands.ts'
import { ext4Device, noLoopDevices, ownFolder } from '../loop.ts'
import { fileDevice, testMachine, testRun } from '../machine.ts'
import { realMachine } from '../real.ts'

const debian = readFileSync(new URL('grub/debian.cfg', import.meta.url), 'utf8')
const uuid = '5f1d3c0e-9a0b-4d6c-8f43-1f3a2b7c9d10'
const debianLine = `root=UUID=${uuid} ro console=tty0 console=ttyS0,115200 quiet`
const plain = "menuentry 'Plain' {\n linux /boot/vmlinuz-6.1 ro console=ttyS1\n}\n"

type Loaded = {
  call: string
  initrd: string | undefined
  initrdHolds: string
  commandLine: string
  kernel: string
}

/** A machine with these files in its file system, whose kexec takes note of what it is given. */
function machineWith(
  t: Test,
  files: object,
  faults: Record<string, string> = {},
  links: Record<string, string> = {},
) {
  const folder = t.testdir(files as Record<string, string>)
  for (const [path, to] of Object.entries(links)) symlinkSync(to, `${folder}/${path}`)
  const loaded: Loaded[] = []
  const run = async (program: string, args: readonly string[]) => {
    if (program === 'blkid') return 'aaaa-bbbb\n'
    if (program !== 'kexec') return ''
    const fault = faults[args[0] ?? '']
    if (fault !== undefined)
      throw new CommandFault(`kexec ${args.join(' ')}`, fault.replace('ROOT', folder), undefined)
    const value = (name: string) => args.find((word) => word.startsWith(name))?.slice(name.length)
    const initrd = value('--initrd=')
    loaded.push({
      call: args.slice(0, 2).join(' '),
      initrd: initrd?.replace(folder, ''),
      initrdHolds: initrd === undefined ? '' : readFileSync(initrd, 'latin1'),
      commandLine: value('--command-line=') ?? '',
      kernel: args.at(-1)!.replace(folder, ''),
    })
    return ''
  }
  return { machine: testMachine({ device: fileDevice('/dev/sda2', 1), folder, run }), loaded }
}

const system = {
  etc: {},
  boot: {
    grub: { 'grub.cfg': debian },
    'vmlinuz-6.1.0-50-amd64': 'k',
    'initrd.img-6.1.0-50-amd64': 'i50',
    'vmlinuz-6.1.0-9-amd64': 'k',
    'initrd.img-6.1.0-9-amd64': 'i9',
  },
}

const cases: {
  name: string
  files: object
  links?: Record<string, string>
  environment?: Record<string, string>
  want: Partial<Loaded>
}[] = [
  {
    name: 'the default entry of grub.cfg, with paths of a /boot of its own',
    files: system,
    want: {
      call: '-s -l',
      kernel: '/boot/vmlinuz-6.1.0-50-amd64',
      initrd: '/boot/initrd.img-6.1.0-50-amd64',
      commandLine: debianLine,
    },
  },
  {
    name: 'a device that is a /boot of its own',
    files: { grub: { 'grub.cfg': debian }, 'vmlinuz-6.1.0-50-amd64': 'k', 'initrd.img-6.1.0-50-amd64': 'i' },
    want: { kernel: '/vmlinuz-6.1.0-50-amd64', commandLine: debianLine },
  },
  {
    name: 'GRUBCFG_PATH, also without its first slash, and the saved entry beside it',
    files: {
      ...system,
      my: {
        'grub.cfg': debian.replace('set default="0"', 'set default="${saved_entry}"'),
        grubenv: 'saved_entry=1>2\n',
      },
    },
    environment: { GRUBCFG_PATH: 'my/grub.cfg' },
    want: { kernel: '/boot/vmlinuz-6.1.0-9-amd64', initrdHolds: 'i9' },
  },
  {
    name: 'a command line without root gets the UUID of the device',
    files: { etc: {}, boot: { grub: { 'grub.cfg': plain }, 'vmlinuz-6.1': 'k' } },
    want: { commandLine: 'root=UUID=aaaa-bbbb ro console=ttyS1', initrd: undefined },
  },
  {
    name: 'CMD_LINE is taken as it is',
    files: system,
    environment: { CMD_LINE: 'single quiet' },
    want: { kernel: '/boot/vmlinuz-6.1.0-50-amd64', commandLine: 'single quiet' },
  },
  {
    name: 'no menu: the newest kernel, its initrd, and the UUID',
    files: {
      etc: {},
      boot: { 'vmlinuz-6.1.0-9': 'k', 'vmlinuz-6.1.0-50': 'k', 'initramfs-6.1.0-50.img': 'i' },
    },
    want: {
      kernel: '/boot/vmlinuz-6.1.0-50',
      initrd: '/boot/initramfs-6.1.0-50.img',
      commandLine: 'root=UUID=aaaa-bbbb ro',
    },
  },
  {
    name: 'KERNEL_PATH alone: the initrd of that version, the command line of the menu',
    files: system,
    environment: { KERNEL_PATH: '/boot/vmlinuz-6.1.0-9-amd64' },
    want: { kernel: '/boot/vmlinuz-6.1.0-9-amd64', initrdHolds: 'i9', commandLine: debianLine },
  },
  {
    name: 'KERNEL_PATH and INITRD_PATH may be links, which stay inside the file system',
    files: system,
    links: { vmlinuz: '/boot/vmlinuz-6.1.0-9-amd64', 'initrd.img': '../../boot/initrd.img-6.1.0-9-amd64' },
    environment: { KERNEL_PATH: '/vmlinuz', INITRD_PATH: 'initrd.img', CMD_LINE: 'a' },
    want: {
      kernel: '/boot/vmlinuz-6.1.0-9-amd64',
      initrd: '/boot/initrd.img-6.1.0-9-amd64',
      commandLine: 'a',
    },
  },
  {
    name: 'several initrds become one, each from a multiple of four bytes on',
    files: {
      etc: {},
      boot: { 'grub.cfg': 'linux /vmlinuz root=x\ninitrd /a /b\n', a: 'ucode', b: 'initrd', vmlinuz: 'k' },
    },
    want: { initrdHolds: 'ucode\0\0\0initrd\0\0' },
  },
]
for (const { name, files, links = {}, environment = {}, want } of cases) {
  t.test(`kexec takes ${name}`, async (t) => {
    const { machine, loaded } = machineWith(t, files, {}, links)
    const { run, lines } = testRun({ BLOCK_DEVICE: '/dev/sda2', ...environment })
    const result = await kexec(run, machine)
    t.equal(result.leave, 'kexec')
    t.match(loaded, [want])
    t.equal(loaded.length, 1)
    t.match(lines.at(-1), /kernel \/\S+, initrd .*, command line "/)
  })
}

t.test('a kernel that refuses one way of loading is asked for the other', async (t) => {
  const { machine, loaded } = machineWith(t, system, {
    '-s': 'kexec_file_load failed: Function not implemented',
  })
  await kexec(testRun({ BLOCK_DEVICE: '/dev/sda2' }).run, machine)
  t.equal(loaded[0]?.call, '-c -l')
})

const failures: {
  name: string
  files: object
  environment?: Record<string, string>
  faults?: Record<string, string>
  says: RegExp
}[] = [
  {
    name: 'no kernel at all',
    files: { etc: {}, boot: {} },
    says: /^no kernel found on \/dev\/sda2: tried \/boot\/grub\/grub.cfg, .*, \/boot\/vmlinuz-\*, \/vmlinuz-\*$/,
  },
  {
    name: 'a kernel of the menu that is gone',
    files: { etc: {}, boot: { grub: { 'grub.cfg': debian } } },
    says: /^\/boot\/grub\/grub.cfg: there is no \/vmlinuz-6.1.0-50-amd64 and no \/boot\/vmlinuz-6.1.0-50-amd64$/,
  },
  {
    name: 'an initrd of the menu that is gone',
    files: { etc: {}, boot: { grub: { 'grub.cfg': debian }, 'vmlinuz-6.1.0-50-amd64': '' } },
    says: /^the initrd: there is no \/initrd.img-6/,
  },
  {
    name: 'a KERNEL_PATH that is not there',
    files: system,
    environment: { KERNEL_PATH: '/boot/x' },
    says: /^KERNEL_PATH: there is no \/boot\/x$/,
  },
  {
    name: 'an INITRD_PATH that is a folder',
    files: system,
    environment: { INITRD_PATH: '/boot' },
    says: /^INITRD_PATH: there is no \/boot$/,
  },
  {
    name: 'a GRUBCFG_PATH that is not there',
    files: system,
    environment: { GRUBCFG_PATH: '/x' },
    says: /^GRUBCFG_PATH: \/dev\/sda2 has no \/x$/,
  },
  {
    name: 'a /boot of its own whose menu names no root',
    files: { 'vmlinuz-6.1': 'k' },
    says: /^\/dev\/sda2 is not the root file system: CMD_LINE with root= expected$/,
  },
  {
    name: 'a system that lets nobody load a kernel',
    files: system,
    faults: {
      '-s': 'cannot open ROOT/boot/x: Permission denied',
      '-c': 'kexec_load failed: Operation not permitted',
    },
    says: /^this system did not take \/boot\/vmlinuz-6\S+: kexec -s: cannot open \/boot\/x: Permission denied; kexec -c: kexec_load failed/,
  },
  { name: 'no device', files: {}, environment: { BLOCK_DEVICE: '' }, says: /BLOCK_DEVICE is not set/ },
  { name: 'an odd FS_TYPE', files: {}, environment: { FS_TYPE: 'a b' }, says: /FS_TYPE is "a b"/ },
  { name: 'two command lines', files: {}, environment: { CMD_LINE: 'a\nb' }, says: /more than one line/ },
]
for (const { name, files, environment = {}, faults = {}, says } of failures) {
  t.test(`${name} fails before the end of the boot is announced`, async (t) => {
    const { machine } = machineWith(t, files, faults)
    await t.rejects(kexec(testRun({ BLOCK_DEVICE: '/dev/sda2', ...environment }).run, machine), {
      message: says,
    })
  })
}

t.test(
  'on a real file system: read-only, with its UUID, and unmounted before the end',
  { skip: noLoopDevices() },
  async (t) => {
    const device = ext4Device(
      t,
      8 << 20,
      t.testdir({ etc: {}, boot: { 'vmlinuz-1': 'k', 'initrd.img-1': 'i' } }),
    )
    const real = realMachine(ownFolder(t))
    const seen: string[][] = []
    const run = async (program: string, args: readonly string[], signal?: AbortSignal) => {
      if (program !== 'kexec') return real.commands.run(program, args, signal)
      t.equal(readFileSync(args.at(-1)!, 'utf8'), 'k', 'the program reaches the kernel')
      seen.push([...args])
      return ''
    }
    const { run: request } = testRun({ BLOCK_DEVICE: device })
    const { message } = await kexec(request, { ...real, commands: { run } })
    t.match(
      message,
      /^starting kernel \/boot\/vmlinuz-1, initrd \/boot\/initrd.img-1, command line "root=UUID=[0-9a-f-]{36} ro" of /,
    )
    t.equal(seen.length, 1)
    await real.disks.inspect(device, request.signal)
  },
)
