import t from 'tap'
import {
  compareVersions,
  initrdNames,
  kernelVersion,
  newestKernel,
  placesOf,
} from '../../../src/agent/actions/kernel.ts'

const folders = [
  {
    names: ['vmlinuz-6.1.0-9-amd64', 'vmlinuz-6.1.0-50-amd64', 'initrd.img-6.1.0-50-amd64'],
    want: 'vmlinuz-6.1.0-50-amd64',
  },
  {
    names: ['vmlinuz-5.15.0-91-generic', 'vmlinuz-6.2.0-1-generic', 'vmlinuz.old'],
    want: 'vmlinuz-6.2.0-1-generic',
  },
  {
    names: ['vmlinuz-0-rescue-00ff', 'vmlinuz-5.14.0-362.el9.x86_64', '.vmlinuz-5.14.0.hmac'],
    want: 'vmlinuz-5.14.0-362.el9.x86_64',
  },
  { names: ['vmlinuz', 'vmlinuz-6.1.0-9-amd64'], want: 'vmlinuz-6.1.0-9-amd64' },
  { names: ['vmlinuz-linux', 'initramfs-linux.img'], want: 'vmlinuz-linux' },
  { names: ['vmlinuz'], want: 'vmlinuz' },
  { names: ['config-6.1', 'vmlinuz-6.1.dpkg-tmp'], want: undefined },
]
for (const { names, want } of folders) {
  t.test(`the newest kernel of ${names.join(', ')} is ${want}`, async (t) =>
    t.equal(newestKernel(names), want),
  )
}

t.test('versions compare by their numbers', async (t) => {
  const sorted = ['5.9', '5.10', '5.10.1', '6.1.0-9', '6.1.0-50', '6.1.0-50-cloud']
  t.same([...sorted].reverse().sort(compareVersions), sorted)
  t.equal(compareVersions('6.1', '6.1'), 0)
})

t.test('a kernel and its initrd have the same version', async (t) => {
  t.equal(kernelVersion('vmlinuz-6.1.0-9-amd64'), '6.1.0-9-amd64')
  t.ok(initrdNames('5.14').includes('initramfs-5.14.img'))
  t.ok(initrdNames('').includes('initrd.img'))
})

const places = [
  { path: '/boot/vmlinuz', want: ['/boot/vmlinuz', '/boot/boot/vmlinuz', '/vmlinuz'] },
  { path: '/vmlinuz', want: ['/vmlinuz', '/boot/vmlinuz'] },
  { path: '(hd0,gpt2)/@/boot/vmlinuz', want: ['/@/boot/vmlinuz', '/boot/@/boot/vmlinuz', '/boot/vmlinuz'] },
]
for (const { path, want } of places) {
  t.test(`${path} is looked for in ${want.join(', ')}`, async (t) => t.same(placesOf(path), want))
}
