import t from 'tap'
import { discoveryScript } from '../../src/boot/discovery.ts'
import { machineScript, unknownMachineScript, waitScript } from '../../src/boot/script.ts'
import type { BootTarget } from '../../src/boot/target.ts'
import type { Machine } from '../../src/model/machine.ts'
import { machineOf, site, texts } from './things.ts'

const agent: BootTarget = { kind: 'agent', why: 'workflow-waits', workflow: 'default/w1' }
const disk: BootTarget = { kind: 'disk', why: 'installed', thenAgent: false }
const nonce = '0123456789abcdef0123456789abcdef'
const scriptFor = (target: BootTarget, changes: Partial<Machine> = {}, withNonce?: string) =>
  machineScript(texts, site, { machine: machineOf(changes), target, nonce: withNonce })
const lineOf = (text: string, start: string) => text.split('\n').find((line) => line.startsWith(start))

const usualLine =
  'syslog_host=192.168.77.1 grpc_authority=192.168.77.1:42113 tinkerbell_tls=false tinkerbell_insecure_tls=false ' +
  'worker_id=52:54:00:00:00:01 hw_addr=52:54:00:00:00:01 modules=loop,squashfs,sd-mod,usb-storage intel_iommu=on ' +
  'iommu=pt initrd=initramfs-x86_64 console=tty0 console=ttyS0,115200 console=ttyS1,115200 console=ttyS0,115200'

const diskPart = `iseq \${platform} pcbios && goto disk-bios ||
iseq \${buildarch} arm64 && goto disk-arm64 ||
echo ironwake: looking for a boot loader on the disks
sanboot --drive 0 --filename \\EFI\\ubuntu\\shimx64.efi ||
sanboot --drive 0 --filename \\EFI\\debian\\shimx64.efi ||
sanboot --drive 0 --filename \\EFI\\redhat\\shimx64.efi ||
sanboot --drive 0 --filename \\EFI\\BOOT\\BOOTX64.EFI ||
sanboot --drive 0 --filename \\EFI\\ubuntu\\grubx64.efi ||
sanboot --drive 0 --filename \\EFI\\debian\\grubx64.efi ||
sanboot --drive 0 --filename \\EFI\\rocky\\shimx64.efi ||
sanboot --drive 0 --filename \\EFI\\almalinux\\shimx64.efi ||
sanboot --drive 0 --filename \\EFI\\fedora\\shimx64.efi ||
sanboot --drive 0 --filename \\EFI\\centos\\shimx64.efi ||
sanboot --drive 0 --filename \\EFI\\opensuse\\shim.efi ||
sanboot --drive 0 --filename \\EFI\\sles\\shim.efi ||
sanboot --drive 0 --filename \\EFI\\Microsoft\\Boot\\bootmgfw.efi ||
goto disk-failed
:disk-arm64
echo ironwake: looking for a boot loader on the disks
sanboot --drive 0 --filename \\EFI\\ubuntu\\shimaa64.efi ||
sanboot --drive 0 --filename \\EFI\\debian\\shimaa64.efi ||
sanboot --drive 0 --filename \\EFI\\redhat\\shimaa64.efi ||
sanboot --drive 0 --filename \\EFI\\BOOT\\BOOTAA64.EFI ||
sanboot --drive 0 --filename \\EFI\\ubuntu\\grubaa64.efi ||
sanboot --drive 0 --filename \\EFI\\debian\\grubaa64.efi ||
sanboot --drive 0 --filename \\EFI\\rocky\\shimaa64.efi ||
sanboot --drive 0 --filename \\EFI\\almalinux\\shimaa64.efi ||
sanboot --drive 0 --filename \\EFI\\fedora\\shimaa64.efi ||
sanboot --drive 0 --filename \\EFI\\centos\\shimaa64.efi ||
goto disk-failed
:disk-bios
echo ironwake: booting the first disk
sanboot --no-describe --drive 0x80 ||
:disk-failed
echo ironwake: no disk of this machine boots
`
const endPart = `echo ironwake: back to the firmware
exit 1
`
const agentPart = (line: string, identity = '') => `imgfree
set try:int32 1
:kernel
echo ironwake: loading the kernel, try \${try} of 5
kernel --name vmlinuz http://192.168.77.1:7171/os/vmlinuz-x86_64 ${line} && goto kernel-loaded ||
iseq \${try} 5 && goto agent-failed ||
inc try
sleep 3
goto kernel
:kernel-loaded
set try:int32 1
:initramfs
echo ironwake: loading the initramfs, try \${try} of 5
initrd --name initramfs-x86_64 http://192.168.77.1:7171/os/initramfs-x86_64 && goto initramfs-loaded ||
iseq \${try} 5 && goto agent-failed ||
inc try
sleep 3
goto initramfs
:initramfs-loaded
${identity}echo ironwake: starting the netboot OS
boot vmlinuz ||
:agent-failed
echo ironwake: the netboot OS did not start
imgfree
`
const head = (what: string) => `#!ipxe
echo ironwake: default/node-1 52:54:00:00:00:01 boots ${what}
`

t.test('a machine with work loads the netboot OS, and its disk when that fails', async (t) => {
  const script = scriptFor(agent)
  t.equal(
    script.text,
    head('the netboot OS (Workflow default/w1)') + agentPart(usualLine) + diskPart + endPart,
  )
  t.strictSame(script.refused, [])
})

t.test('with a nonce, the identity of this boot is a second initrd with a name of its own', async (t) => {
  const identity = `set try:int32 1
:identity
echo ironwake: loading the identity of this boot, try \${try} of 5
initrd --name identity.cpio http://192.168.77.1:7171/ipxe/identity/52:54:00:00:00:01/${nonce}/identity.cpio && goto identity-loaded ||
iseq \${try} 5 && goto agent-failed ||
inc try
sleep 3
goto identity
:identity-loaded
`
  const line = usualLine.replace('initrd=initramfs-x86_64', 'initrd=identity.cpio initrd=initramfs-x86_64')
  const script = scriptFor(agent, {}, nonce)
  t.equal(
    script.text,
    head('the netboot OS (Workflow default/w1)') + agentPart(line, identity) + diskPart + endPart,
  )
})

t.test('an installed machine boots its disk by BIOS or UEFI, else goes back to the firmware', async (t) =>
  t.equal(scriptFor(disk, {}, nonce).text, head('its own disk (it is installed)') + diskPart + endPart),
)

t.test('a spare machine goes on to the netboot OS when no disk boots', async (t) => {
  const target: BootTarget = { kind: 'disk', why: 'nothing-to-do', thenAgent: true }
  const want = head('its own disk (no Workflow waits for it)') + diskPart + agentPart(usualLine) + endPart
  t.equal(scriptFor(target).text, want)
})

t.test('an unknown machine boots its disk', async (t) =>
  t.equal(
    unknownMachineScript(texts, '52:54:00:00:00:09'),
    `#!ipxe
echo ironwake: 52:54:00:00:00:09 boots its own disk (no Hardware has this MAC)
${diskPart}${endPart}`,
  ),
)

t.test('a script of the Hardware stands as it is', async (t) => {
  const contents = '#!ipxe\nset x ${mac} && shell || @kernelUrl@'
  const target: BootTarget = { kind: 'custom', why: 'ipxe-contents', contents }
  t.equal(scriptFor(target).text, `${head('the iPXE script in its Hardware')}${contents}\n`)
})

t.test('a script URL of the Hardware is chained', async (t) => {
  const target: BootTarget = { kind: 'custom', why: 'ipxe-url', url: 'https://boot.example/x.ipxe?a=1' }
  t.equal(
    scriptFor(target).text,
    `${head('the iPXE script at the URL in its Hardware')}chain --autofree https://boot.example/x.ipxe?a=1 ||
echo ironwake: the custom script ended
${endPart}`,
  )
})

for (const url of [
  'http://x/a b',
  'http://x/${mac}',
  'http://x/a\nexit',
  'tftp://x/y',
  'nonsense',
  'http://x/\\',
])
  t.test(`the script URL ${JSON.stringify(url)} is refused and the disk booted`, async (t) => {
    const script = scriptFor({ kind: 'custom', why: 'ipxe-url', url })
    t.equal(script.text, head('the iPXE script at the URL in its Hardware') + diskPart + endPart)
    t.strictSame(script.refused, [`netboot.ipxe.url ${url}`])
  })

t.test('while the server starts, the machine asks again', async (t) =>
  t.equal(
    waitScript(texts, 'http://192.168.77.1:7171/ipxe/script/x/auto.ipxe'),
    `#!ipxe
echo ironwake: the server is starting, asking again in 5 seconds
sleep 5
chain --replace --autofree http://192.168.77.1:7171/ipxe/script/x/auto.ipxe || exit 1
`,
  ),
)

t.test('the kernel line has the words of Hardware and site, the last of which win', async (t) => {
  const busy = { ...site, kernelArgs: ['quiet loglevel=4'], tls: true, insecureTls: true }
  const machine = machineOf({
    vlanId: '30',
    facilityCode: 'onprem console=ttyS4',
    agentId: 'node-one',
    arch: 'aarch64',
    osie: {
      baseUrl: 'https://os.example/hook/',
      kernel: 'k',
      initrd: 'sub/i',
      kernelParams: ['a=1', 'b="c d"'],
    },
  })
  const { text, refused } = machineScript(texts, busy, { machine, target: agent, nonce: undefined })
  t.equal(
    lineOf(text, 'kernel '),
    'kernel --name vmlinuz https://os.example/hook/k vlan_id=30 facility=onprem console=ttyS4 syslog_host=192.168.77.1 ' +
      'grpc_authority=192.168.77.1:42113 tinkerbell_tls=true tinkerbell_insecure_tls=true worker_id=node-one ' +
      'hw_addr=52:54:00:00:00:01 modules=loop,squashfs,sd-mod,usb-storage intel_iommu=on iommu=pt ' +
      'initrd=initramfs-aarch64 console=tty0 ' +
      'quiet loglevel=4 a=1 b="c d" && goto kernel-loaded ||',
  )
  t.equal(
    lineOf(text, 'initrd '),
    'initrd --name initramfs-aarch64 https://os.example/hook/sub/i && goto initramfs-loaded ||',
  )
  t.strictSame(refused, [])
})

t.test('consoles are the screen and the first serial port, unless somebody names others', async (t) => {
  const found = (changes: Partial<Machine>) =>
    lineOf(scriptFor(agent, changes).text, 'kernel ')!.match(/console=\S+/g)
  const usual = ['console=tty0', 'console=ttyS0,115200', 'console=ttyS1,115200']
  t.strictSame(found({}), [...usual, 'console=ttyS0,115200'])
  t.strictSame(found({ arch: 'aarch64' }), [...usual, 'console=ttyAMA0,115200'])
  t.strictSame(found({ osie: osie({ kernelParams: ['quiet console=ttyS1,9600'] }) }), [
    'console=tty0',
    'console=ttyS1,9600',
  ])
  t.strictSame(found({ facilityCode: 'onprem console=ttyS2' }), ['console=ttyS2', 'console=tty0'])
})

t.test('values of the Hardware cannot run iPXE commands', async (t) => {
  const attacks: { name: string; changes: Partial<Machine>; refused: string[] }[] = [
    {
      name: 'a kernel parameter with a new line and commands',
      changes: {
        osie: osie({
          kernelParams: ['ok=1\nshell', 'x || shell ; shell && shell', '# gone', '${mac}', 'a${b}c'],
        }),
      },
      refused: ['||', ';', '&&', '#', '${mac}', 'a${b}c'].map((word) => `kernel argument ${word}`),
    },
    {
      name: 'a facility with an iPXE setting',
      changes: { facilityCode: 'x${product}' },
      refused: ['kernel argument facility=x${product}'],
    },
    {
      name: 'a kernel parameter that ends in a backslash',
      changes: { osie: osie({ kernelParams: ['x\\'] }) },
      refused: ['kernel argument x\\'],
    },
    {
      name: 'characters beyond ASCII',
      changes: { osie: osie({ kernelParams: ['ä', 'b\u0000c'] }) },
      refused: ['kernel argument ä', 'kernel argument b\u0000c'],
    },
    {
      name: 'an architecture with a path',
      changes: { arch: '../../x && shell' },
      refused: ['dhcp.arch ../../x && shell'],
    },
    {
      name: 'a base URL with a command',
      changes: { osie: osie({ baseUrl: 'http://x/\nshell' }) },
      refused: ['netboot.osie.baseURL http://x/\nshell'],
    },
    {
      name: 'a kernel name with a command',
      changes: { osie: osie({ kernel: 'k || shell' }) },
      refused: ['netboot.osie name k || shell'],
    },
    { name: 'a name with a new line', changes: { name: 'n\nshell || # ${x} --help' }, refused: [] },
  ]
  for (const { name, changes, refused } of attacks) {
    const script = scriptFor(agent, changes)
    t.strictSame(script.refused, refused, name)
    const clean = scriptFor(agent).text.split('\n')
    const lines = script.text.split('\n')
    t.equal(lines.length, clean.length, `${name}: no new line`)
    const ours = new Set(['try', 'platform', 'buildarch'])
    const settings = [...script.text.matchAll(/\$\{([^}]*)\}/g)].map((found) => found[1]!)
    t.ok(
      settings.every((setting) => ours.has(setting)),
      `${name}: no foreign setting`,
    )
    lines.forEach((line, index) => {
      const operators = (text: string) => text.split(' ').filter((word) => /^(\|\||&&|;|#.*)$/.test(word))
      t.strictSame(operators(line), operators(clean[index]!), `${name}: no new operator in line ${index + 1}`)
    })
  }
})

t.test('a kernel line that the kernel would cut is said to be too long', async (t) => {
  const { refused } = scriptFor(agent, { osie: osie({ kernelParams: ['x'.repeat(2000)] }) })
  t.match(refused, [/^end of the kernel command line: \d+ bytes$/])
})

function osie(changes: Partial<Machine['osie']>): Machine['osie'] {
  return { baseUrl: undefined, kernel: undefined, initrd: undefined, kernelParams: [], ...changes }
}

t.test('names, place and tries of the netboot OS are settings', async (t) => {
  const other = {
    ...site,
    osUrl: 'http://192.0.2.9/hook',
    kernelName: 'hook-kernel',
    initrdName: 'hook-initrd',
    tries: 12,
    retrySeconds: 0,
  }
  const { text } = machineScript(texts, other, { machine: machineOf(), target: agent, nonce })
  t.match(text, 'kernel --name vmlinuz http://192.0.2.9/hook/hook-kernel-x86_64 ')
  t.match(text, 'initrd --name hook-initrd-x86_64 http://192.0.2.9/hook/hook-initrd-x86_64 &&')
  t.match(text, 'initrd=identity.cpio initrd=hook-initrd-x86_64')
  t.equal(text.split('iseq ${try} 12 &&').length, 4, 'kernel, initramfs and identity')
  t.notMatch(text, /@|sleep 3|of 5/)
  const discovery = discoveryScript(texts, other)
  t.match(discovery.text, 'kernel --name vmlinuz http://192.0.2.9/hook/hook-kernel-${arch} syslog_host=')
  t.match(discovery.text, 'initrd --name hook-initrd-${arch} http://192.0.2.9/hook/hook-initrd-${arch} &&')
  t.strictSame(discoveryScript(texts, { ...site, kernelArgs: ['a=1', '${b}'] }).refused, [
    'kernel argument ${b}',
  ])
})

t.test('the script of an instance is chained', async (t) => {
  const target: BootTarget = { kind: 'custom', why: 'instance-script', url: 'http://192.0.2.9/boot.ipxe' }
  t.match(scriptFor(target).text, '\nchain --autofree http://192.0.2.9/boot.ipxe ||\n')
  const bad = scriptFor({ ...target, url: 'tftp://x/${y}' })
  t.strictSame(bad.refused, ['metadata.instance.ipxe_script_url tftp://x/${y}'])
})
