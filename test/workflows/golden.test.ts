import { readdir, readFile, writeFile } from 'node:fs/promises'
import t from 'tap'
import { parse } from 'yaml'
import { runProgram } from '../../src/cli/program.ts'
import { systemClock } from '../../src/model/clock.ts'

// UPDATE_GOLDEN=1 writes the files anew, to be read in review.

const folder = new URL('../../workflows/', import.meta.url)
const path = (name: string) => new URL(name, import.meta.url).pathname
const hardware = path('hardware.yaml')

const images = 'http://10.80.24.5:7171/images'
const metadata = ['metadata_url=http://10.80.24.5:7172,http://10.80.25.9:7172']
const sum = '5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef'
const values: Readonly<Record<string, readonly string[]>> = {
  'capt-default': [
    'image=ghcr.io/tinkerbell/cluster-api-provider-tinkerbell/ubuntu-22.04:v1.30.2.gz',
    'metadata_ip=10.80.24.5',
  ],
  'debian-cloud': [`image_url=${images}/debian-12.raw.zst`, `image_sha256=${sum}`, ...metadata],
  'eksa-bottlerocket': [
    `image_url=${images}/bottlerocket-v1-28.img.gz`,
    'interface=enp1s0f0np0',
    ...metadata,
  ],
  'eksa-rhel': [`image_url=${images}/rhel-9-kube-v1-31.raw.gz`, ...metadata],
  'equinix-ubuntu': [
    `archive_url=${images}/ubuntu-22.04.tar.gz`,
    `archive_sha256=${sum}`,
    'metadata_ip=10.80.24.5',
  ],
  flatcar: [`image_url=${images}/flatcar_production_image.bin.bz2`, `image_sha256=${sum}`],
  inventory: [],
  'rescue-shell': ['console=ttyS1'],
  ubuntu: [`image_url=${images}/ubuntu-2204-kube-v1-31.gz`, `image_sha256=${sum}`, ...metadata],
  'wipe-disks': ['confirm=node-07'],
}

async function render(file: string, sets: readonly string[], given = hardware) {
  const run = { code: -1, out: '', err: '' }
  const argv = [
    'template',
    'render',
    '-f',
    file,
    '--hardware',
    given,
    ...sets.flatMap((set) => ['--set', set]),
  ]
  run.code = await runProgram(argv, {
    stdout: { write: (text) => (run.out += text) },
    stderr: { write: (text) => (run.err += text) },
    readStdin: async () => '',
    env: { KUBECONFIG: '/nowhere' },
    ...systemClock,
    version: '1.2.3',
    signal: new AbortController().signal,
  })
  return run
}

const shipped = (await readdir(folder))
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.slice(0, -5))
const template = (name: string) => new URL(`${name}.yaml`, folder).pathname

t.test('every shipped Template is rendered here', async (t) =>
  t.same(shipped.toSorted(), Object.keys(values).toSorted()),
)

for (const [name, sets] of Object.entries(values)) {
  t.test(`${name} renders as it has before`, async (t) => {
    const { code, out, err } = await render(template(name), sets)
    t.same([code, err], [0, ''])
    const golden = path(`golden/${name}.txt`)
    if (process.env['UPDATE_GOLDEN'] === '1') await writeFile(golden, out)
    t.equal(out, await readFile(golden, 'utf8'))
  })
  t.test(`${name} is an object of its file's name, and says what its values are`, async (t) => {
    const text = await readFile(template(name), 'utf8')
    t.match(parse(text), { kind: 'Template', metadata: { name, namespace: 'eksa-system' } })
    const comments = text.split('\n').filter((line) => line.startsWith('#'))
    const asked = new Set(
      [...text.matchAll(/(?:\{\{[^}]*? \.|index \. ")([a-z][a-z_0-9]+)/g)].map(([, key]) => key!),
    )
    for (const key of asked)
      t.ok(
        comments.some((line) => line.startsWith(`#   ${key} `)),
        key,
      )
  })
}

t.test('without a VLAN the address is that of the card itself', async (t) => {
  const plain = (await readFile(hardware, 'utf8')).replace(/ +vlan_id: .*\n/, '')
  const file = t.testdir({ 'plain.yaml': plain })
  const rhel = await render(template('eksa-rhel'), values['eksa-rhel']!, `${file}/plain.yaml`)
  t.match(rhel.out, /id=static-connection\n +type=ethernet\n/)
  t.notMatch(rhel.out, /\[vlan\]/)
})

t.test('disks are not erased of a machine that was not meant', async (t) => {
  const wrong = await render(template('wipe-disks'), ['confirm=node-70'])
  t.equal(wrong.code, 1)
  t.match(
    wrong.err,
    /confirm is "node-70": the host name of the machine that loses its disks, "node-07", expected/,
  )
  t.equal((await render(template('wipe-disks'), [])).code, 1)
  t.match((await render(template('wipe-disks'), ['confirm=node-07', 'extent=half'])).err, /extent is "half"/)
})
