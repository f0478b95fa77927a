import t from 'tap'
import { checkTemplate } from '../../src/template/render.ts'
import { plan } from '../../src/workflow/plan.ts'
import { startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { runner, setStatus } from './run.ts'

let server: TestServer
t.before(async () => {
  server = await startServer({
    admission: {
      checkTemplate,
      renderWorkflow: (input) => void plan({ ...input, newId: () => 'id', now: 0 }),
    },
  })
  await create('Hardware', 'm1', hardware('52:54:00:00:00:01', ['/dev/sda', '/dev/nvme0n1']))
  await create('Hardware', 'dark', {
    ...hardware('52:54:00:00:00:02', ['/dev/sda']),
    interfaces: [{ dhcp: { mac: '52:54:00:00:00:02' } }],
  })
  await create('Template', 'one', { data: oneDisk })
  await create('Template', 'other', { data: oneDisk.replace('{{ index .Hardware.Disks 0 }}', '/dev/vdz') })
  await create('Template', 'fixed', { data: oneDisk.replace('{{ .device_1 }}', '52:54:00:00:00:99') })
})
t.after(() => server.close())
const run = runner(() => server)

const hardware = (mac: string, disks: string[]) => ({
  disks: disks.map((device) => ({ device })),
  interfaces: [
    { dhcp: { mac, ip: { address: '192.0.2.10', netmask: '255.255.255.0' } }, netboot: { allowPXE: true } },
  ],
})

const oneDisk = `
name: one
tasks:
  - name: install
    worker: "{{ .device_1 }}"
    volumes: [/dev:/dev]
    actions:
      - name: stream
        image: 127.0.0.1/embedded/image2disk:v1
        timeout: 1800
        environment: { DEST_DISK: {{ index .Hardware.Disks 0 }}, IMG_URL: "{{ .image_url }}" }
      - name: write
        image: writefile
        timeout: 90
        environment: { DEST_DISK: {{ formatPartition (index .Hardware.Disks 0) 1 }} }
      - name: reboot
        image: reboot
`

async function create(kind: string, name: string, spec: object): Promise<void> {
  await server.client.create({
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind,
    metadata: { name, namespace: 'ns1' },
    spec,
  } as never)
}

const call = (name: string, ...more: string[]) =>
  run(['workflow', 'create', name, '-n', 'ns1', '--set', 'image_url=http://x/a', ...more])
const stored = async () =>
  (await server.client.list('Workflow', { namespace: 'ns1' })).map(({ metadata }) => metadata.name)

t.test('a dry run says what would happen to which machine, on which disk, and stores nothing', async (t) => {
  const { code, out, err } = await call('w1', '-t', 'one', '--hardware', 'm1', '--dry-run')
  t.same([code, err], [0, ''])
  t.match(out, 'workflow ns1/w1 would be created\n')
  t.match(out, /Machine: +ns1\/m1\n/)
  t.match(out, /Interfaces: 52:54:00:00:00:01 192\.0\.2\.10\n/)
  t.match(out, /Disks: +\/dev\/sda \(used\), \/dev\/nvme0n1 \(not touched\)\n/)
  t.match(out, /install +stream +127\.0\.0\.1\/embedded\/image2disk:v1 +30m +\/dev\/sda +overwritten\n/)
  t.match(out, /install +write +writefile +90s +\/dev\/sda1 +a file written\n/)
  t.match(out, /install +reboot +reboot +60m +- +-\n/)
  t.notMatch(out, /caution/)
  t.same(await stored(), [])
})

t.test('a dry run warns of what will not work', async (t) => {
  const other = await call('w1', '-t', 'other', '--hardware', 'm1', '--dry-run')
  t.match(other.out, 'caution: /dev/vdz is on no disk of the Hardware (/dev/sda, /dev/nvme0n1)\n')
  const fixed = await call('w1', '-t', 'fixed', '--hardware', 'm1', '--dry-run')
  t.match(fixed.out, 'caution: task install waits for agent 52:54:00:00:00:99, which is not this machine\n')
  const dark = await call('w1', '-t', 'one', '--hardware', 'dark', '--dry-run')
  t.match(dark.out, 'caution: no interface has netboot.allowPXE: the machine does not boot the installer\n')
})

t.test('a template that fails is shown with its place', async (t) => {
  const { code, err } = await run([
    'workflow',
    'create',
    'w1',
    '-n',
    'ns1',
    '-t',
    'one',
    '--hardware',
    'm1',
    '--dry-run',
  ])
  t.equal(code, 1)
  t.match(err, /Template ns1\/one:11:\d+: map has no entry for key "image_url"\n/)
  t.match(err, /\^{10}\n/)
  t.match(await call('w1', '-t', 'none', '--hardware', 'm1', '--dry-run'), {
    code: 1,
    err: /"none" not found/,
  })
  t.match(await call('w1', '-t', 'one', '--hardware', 'none', '--dry-run'), {
    code: 1,
    err: /"none" not found/,
  })
  t.match(await call('W_1', '-t', 'one', '--hardware', 'm1', '--dry-run'), { code: 1, err: /W_1/ })
  t.match(await run(['workflow', 'create', 'w1']), { code: 2, err: /--template/ })
})

t.test('without a dry run it is created, and the next one is told of it', async (t) => {
  t.match(await call('w1', '-t', 'one', '--hardware', 'm1'), {
    code: 0,
    out: /workflow ns1\/w1 created; follow it with/,
  })
  t.same(await stored(), ['w1'])
  const made = await server.client.get('Workflow', 'ns1', 'w1')
  t.match(made.spec, {
    templateRef: 'one',
    hardwareRef: 'm1',
    hardwareMap: { device_1: '52:54:00:00:00:01', image_url: 'http://x/a' },
  })
  const next = await call('w2', '-t', 'one', '--hardware', 'm1', '--dry-run')
  t.match(next.out, 'caution: w1 of the same machine has not ended (not planned yet)\n')
  await setStatus(server, 'w1', 'SUCCESS')
  t.notMatch((await call('w2', '-t', 'one', '--hardware', 'm1', '--dry-run')).out, /caution/)
  t.match(await call('w1', '-t', 'one', '--hardware', 'm1'), { code: 1, err: /already exists/ })
  t.match(JSON.parse((await call('w2', '-t', 'one', '--hardware', 'm1', '--dry-run', '-o', 'json')).out), {
    kind: 'Workflow',
  })
  t.same(await stored(), ['w1'])
})

t.test('help has examples', async (t) => {
  t.match(
    (await run(['workflow', 'create', '--help'])).out,
    /Examples:\n {2}\$ ironwake workflow create install-1/,
  )
})

t.end()
