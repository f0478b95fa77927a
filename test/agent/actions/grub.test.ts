import { readFileSync } from 'node:fs'
import t from 'tap'
import { defaultEntry, parseGrubEnvironment } from '../../../src/agent/actions/grub.ts'

const menu = (name: string) => readFileSync(new URL(`grub/${name}.cfg`, import.meta.url), 'utf8')
const debian = menu('debian')
const ubuntu = menu('ubuntu')

const uuid = '5f1d3c0e-9a0b-4d6c-8f43-1f3a2b7c9d10'
const debianLine = `root=UUID=${uuid} ro console=tty0 console=ttyS0,115200 quiet`
const entry = (id: string) => `menuentry 'x' --id '${id}' {\n linux /vmlinuz-${id} root=/dev/sda1\n}\n`

const cases = [
  {
    name: "Debian's menu starts its first entry",
    text: debian,
    want: {
      kernel: '/vmlinuz-6.1.0-50-amd64',
      initrds: ['/initrd.img-6.1.0-50-amd64'],
      commandLine: debianLine,
    },
  },
  {
    name: 'a number leads into a submenu',
    text: debian.replace('set default="0"', 'set default="1>2"'),
    want: { kernel: '/vmlinuz-6.1.0-9-amd64', commandLine: debianLine },
  },
  {
    name: 'a submenu alone means its first entry',
    text: debian.replace('set default="0"', 'set default="1"'),
    want: { title: 'Debian GNU/Linux, with Linux 6.1.0-50-amd64' },
  },
  {
    name: 'ids lead into a submenu',
    text: debian.replace(
      'set default="0"',
      `set default="gnulinux-advanced-${uuid}>gnulinux-6.1.0-9-amd64-recovery-${uuid}"`,
    ),
    want: { kernel: '/vmlinuz-6.1.0-9-amd64', commandLine: /ro single console=tty0/ },
  },
  {
    name: 'a title is as good as an id',
    text: debian.replace('set default="0"', "set default='Debian GNU/Linux'"),
    want: { title: 'Debian GNU/Linux' },
  },
  {
    name: 'a default that is not there means the first entry',
    text: debian.replace('set default="0"', 'set default="gone>0"'),
    want: { title: 'Debian GNU/Linux' },
  },
  {
    name: "Ubuntu's cloud menu starts with its initrd",
    text: ubuntu,
    want: {
      kernel: '/boot/vmlinuz-5.15.0-91-generic',
      initrds: ['/boot/initrd.img-5.15.0-91-generic'],
      commandLine: 'root=PARTUUID=0aa1-02 ro console=tty1 console=ttyS0',
    },
  },
  {
    name: 'the saved entry is the default; unknown variables are empty; there may be several initrds',
    text: ubuntu,
    environment: { saved_entry: 'gnulinux-advanced-c0>gnulinux-5.15.0-79-generic-advanced-c0' },
    want: {
      kernel: '/boot/vmlinuz-5.15.0-79-generic',
      initrds: ['/boot/microcode.cpio', '/boot/initrd.img-5.15.0-79-generic'],
      commandLine: 'root=UUID=c0 ro quiet splash',
    },
  },
  {
    name: 'an entry that starts no Linux is kept out',
    text: `menuentry 'Windows' {\n chainloader +1\n}\n${entry('6')}`,
    want: { kernel: '/vmlinuz-6' },
  },
  {
    name: 'a file without a menu starts what it says',
    text: 'linux /vmlinuz root=LABEL=root ro console=ttyS0\ninitrd /initrd.img\n',
    want: {
      title: '',
      kernel: '/vmlinuz',
      initrds: ['/initrd.img'],
      commandLine: 'root=LABEL=root ro console=ttyS0',
    },
  },
  {
    name: 'commands on one line, comments, line ends with a backslash, quotes and other names of linux',
    text: 'menuentry "a \\"b\\" # c" { linuxefi ($root)/k x="y z" a#b \\\n c=\'d\' # no\n initrdefi /i; }',
    want: {
      title: 'a "b" # c',
      kernel: '($root)/k'.replace('$root', ''),
      commandLine: '"x=y z" a#b c=d',
      initrds: ['/i'],
    },
  },
]
for (const { name, text, environment = {}, want } of cases) {
  t.test(name, async (t) => t.match(defaultEntry(text, environment), want))
}

const empty = [
  '',
  '\n\n',
  '}}}{',
  "menuentry 'x",
  'menuentry',
  'submenu x {\n menuentry y {',
  'linux',
  'set default=',
  'menuentry x {\n'.repeat(1e5),
]
for (const text of empty) {
  t.test(`${JSON.stringify(text.slice(0, 30))} starts nothing`, async (t) =>
    t.equal(defaultEntry(text), undefined),
  )
}

t.test('every cut and every changed byte of a menu gives an entry or none, in no time', async (t) => {
  const begun = Date.now()
  for (let at = 0; at < ubuntu.length; at += 29) {
    defaultEntry(ubuntu.slice(0, at))
    defaultEntry(`${ubuntu.slice(0, at)}${'\'"{}$\\;#'[at % 8]}${ubuntu.slice(at + 1)}`)
  }
  defaultEntry("'".repeat(1e6) + '"'.repeat(1e5) + '\\'.repeat(1e5) + '${'.repeat(1e5))
  t.ok(Date.now() - begun < 10_000)
})

t.test('the environment block of GRUB', async (t) => {
  const text = `# GRUB Environment Block\nsaved_entry=0>Debian\\\\x\nkernelopts=root=UUID=1 ro\nbad line\n${'#'.repeat(900)}`
  t.same(parseGrubEnvironment(text), { saved_entry: '0>Debian\\x', kernelopts: 'root=UUID=1 ro' })
})
