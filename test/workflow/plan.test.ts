import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import type { AppError } from '../../src/model/error.ts'
import type { Hardware } from '../../src/model/hardware.ts'
import { render } from '../../src/template/render.ts'
import { lastPart, parseImageName } from '../../src/workflow/image-name.ts'
import {
  defaultActionTimeoutSeconds,
  effectiveEnvironment,
  effectiveVolumes,
  plan,
  renderData,
} from '../../src/workflow/plan.ts'

const hardware: Hardware = {
  apiVersion: 'tinkerbell.org/v1alpha1',
  kind: 'Hardware',
  metadata: {
    name: 'node-1',
    namespace: 'ns',
    uid: 'u',
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: '',
  },
  spec: {
    disks: [{ device: '/dev/nvme0n1' }, { device: '/dev/sda' }],
    userData: '#cloud-config',
    interfaces: [
      {
        netboot: { allowPXE: true, ipxe: { url: 'http://x' } },
        dhcp: {
          mac: '00:00:00:00:00:01',
          hostname: 'node-1',
          lease_time: 4294967294,
          name_servers: ['10.0.0.2', '10.0.0.3'],
          arch: 'x86_64',
          uefi: true,
          ip: { address: '10.0.0.9', netmask: '255.255.254.0', gateway: '10.0.0.1', family: 4 },
        },
      },
      { dhcp: { mac: '00:00:00:00:00:02' } },
    ],
    metadata: {
      facility: { facility_code: 'onprem' },
      instance: {
        id: '00:00:00:00:00:01',
        hostname: 'node-1',
        ips: [{ address: '10.0.0.9', public: true }],
        storage: { disks: [{ device: '/dev/sda', partitions: [{ label: 'ROOT', number: 1, size: 0 }] }] },
        ssh_keys: ['ssh-ed25519 A'],
      },
    },
  },
}

const seen = [
  ['a key of the hardware map', '{{ .device_1 }}', 'aa:bb'],
  ['the first disk', '{{ index .Hardware.Disks 0 }}', '/dev/nvme0n1'],
  ['a partition', '{{ formatPartition ( index .Hardware.Disks 0 ) 2 }}', '/dev/nvme0n1p2'],
  ['the MAC', '{{ (index .Hardware.Interfaces 0).DHCP.MAC }}', '00:00:00:00:00:01'],
  ['the address', '{{ (index .Hardware.Interfaces 0).DHCP.IP.Address }}', '10.0.0.9'],
  ['the prefix length', '{{ netmaskToPrefixLength (index .Hardware.Interfaces 0).DHCP.IP.Netmask }}', '23'],
  ['a lease of ten digits', '{{ (index .Hardware.Interfaces 0).DHCP.LeaseTime }}', '4294967294'],
  [
    'name servers',
    '{{ range (index .Hardware.Interfaces 0).DHCP.NameServers }}{{ . }} {{ end }}',
    '10.0.0.2 10.0.0.3 ',
  ],
  ['a missing VLAN', '[{{ (index .Hardware.Interfaces 0).DHCP.VLANID }}]', '[]'],
  [
    'a flag',
    '{{ (index .Hardware.Interfaces 0).DHCP.UEFI }} {{ (index .Hardware.Interfaces 0).DisableDHCP }}',
    'true false',
  ],
  [
    'an interface without netboot',
    '{{ if (index .Hardware.Interfaces 1).Netboot }}yes{{ else }}no{{ end }}',
    'no',
  ],
  ['a file of iPXE', '{{ with (index .Hardware.Interfaces 0).Netboot.IPXE }}{{ .URL }}{{ end }}', 'http://x'],
  [
    'the instance',
    '{{ .Hardware.Metadata.Instance.ID }} {{ .Hardware.Metadata.Instance.Hostname }}',
    '00:00:00:00:00:01 node-1',
  ],
  ['the facility', '{{ .Hardware.Metadata.Facility.FacilityCode }}', 'onprem'],
  ['the instance addresses', '{{ (index .Hardware.Metadata.Instance.Ips 0).Address }}', '10.0.0.9'],
  ['SSH keys', '{{ index .Hardware.Metadata.Instance.SSHKeys 0 }}', 'ssh-ed25519 A'],
  ['storage', '{{ (index (index .Hardware.Metadata.Instance.Storage.Disks 0).Partitions 0).Label }}', 'ROOT'],
  ['user data', '{{ .Hardware.UserData }}{{ .Hardware.VendorData }}', '#cloud-config'],
  [
    'a struct as YAML by its JSON names',
    '{{ (index .Hardware.Interfaces 1).DHCP | toYaml }}',
    'mac: "00:00:00:00:00:02"',
  ],
  [
    'a field by its JSON name',
    '{{ .hardware.spec.metadata.instance.id }} {{ .hardware.metadata.name }}',
    '00:00:00:00:00:01 node-1',
  ],
  [
    'a whole number by its JSON name',
    '{{ (index .hardware.spec.interfaces 0).dhcp.lease_time }}',
    '4294967294',
  ],
  ['a reference', '{{ .references.lvm.spec.size }} {{ .References.lvm.spec.size }}', '5 5'],
] as const
for (const [name, template, want] of seen) {
  t.test(`a template sees ${name}`, async (t) => {
    const data = renderData(hardware, { device_1: 'aa:bb' }, { lvm: { spec: { size: 5 } } })
    t.equal(render(template, data), want)
  })
}

t.test('without Hardware the Go fields are zero values', async (t) => {
  const data = renderData(undefined, {})
  t.equal(
    render(
      '{{ .Hardware.Disks }}{{ len .Hardware.Interfaces }}{{ .Hardware.UserData }}{{ .Hardware.Metadata.State }}',
      data,
    ),
    '[]0',
  )
  t.throws(() => render('{{ .Hardware.Metadata.Instance.ID }}', data), {
    message: /nil pointer evaluating \.ID/,
  })
  t.throws(() => render('{{ .Hardware.Disk }}', data), {
    message: /can't evaluate field Disk in type workflow\.templateHardwareData/,
  })
})

t.test('the hardware map cannot hide the Hardware', async (t) => {
  t.equal(render('{{ len .Hardware.Disks }}', renderData(hardware, { Hardware: 'x' })), '2')
})

const base = `version: "0.1"
name: n
global_timeout: 600
tasks:
  - name: t
    worker: "{{.device_1}}"
    volumes: [/dev:/dev]
    environment: {A: task, B: task}
    actions:
      - name: a
        image: quay.io/x/image2disk:v1
        timeout: 60
        command: [sh, -c, "{{.device_1}}"]
        volumes: [/x:/x]
        environment: {B: action}
        pid: host
        namespaces: {network: host}
        on-timeout: [x]
        unknown: {a: 1}
      - name: b
        image: reboot
`

const now = Date.UTC(2026, 0, 2, 3, 4, 5)
function planOf(template: string, hardwareMap: Record<string, string> = { device_1: 'aa:bb' }) {
  let id = 0
  const newId = () => `id-${++id}`
  return plan({ template, spec: { hardwareMap }, hardware, newId, now }).status
}

t.test('a plan has every task and action, pending, with ids', async (t) => {
  t.same(planOf(base), {
    state: 'PENDING',
    templateRendering: 'successful',
    agentID: 'aa:bb',
    globalTimeout: 600,
    tasks: [
      {
        id: 'id-1',
        name: 't',
        agentID: 'aa:bb',
        volumes: ['/dev:/dev'],
        environment: { A: 'task', B: 'task' },
        actions: [
          {
            id: 'id-2',
            name: 'a',
            image: 'quay.io/x/image2disk:v1',
            timeout: 60,
            command: ['sh', '-c', 'aa:bb'],
            volumes: ['/x:/x'],
            environment: { B: 'action' },
            pid: 'host',
            namespaces: { network: 'host' },
            state: 'PENDING',
          },
          { id: 'id-3', name: 'b', image: 'reboot', timeout: defaultActionTimeoutSeconds, state: 'PENDING' },
        ],
      },
    ],
    ironwake: { actions: { 'id-2': { onTimeout: ['x'] } } },
    conditions: [
      {
        type: 'TemplateRenderedSuccess',
        status: 'True',
        reason: 'Complete',
        message: 'template rendered successfully',
        time: '2026-01-02T03:04:05Z',
      },
    ],
  })
})

t.test('an action sees the variables and volumes of its task, and its own over them', async (t) => {
  const [task] = planOf(base).tasks ?? []
  const [action] = task?.actions ?? []
  t.same(effectiveEnvironment(task!, action!), { A: 'task', B: 'action' })
  t.same(effectiveVolumes(task!, action!), ['/dev:/dev', '/x:/x'])
})

const scalars = [
  ['true', 'true'],
  ['0644', '0644'],
  ['3.86', '3.86'],
  ['5', '5'],
  ['1e3', '1e3'],
  ['0x10', '0x10'],
  ['yes', 'yes'],
  ['1_000', '1_000'],
  ['2026-01-02', '2026-01-02'],
  ['12:30:45', '12:30:45'],
  ['"0644"', '0644'],
  ["'a''b'", "a'b"],
  ['null', ''],
  ['~', ''],
  ['', ''],
  ['"null"', 'null'],
  ['plain text with: no', undefined],
  ['a#b', 'a#b'],
  ['a # b', 'a'],
  ['|\n            one\n            two', 'one\ntwo\n'],
  ['>-\n            one\n            two', 'one two'],
  ['!!str 5', '5'],
] as const
for (const [source, want] of scalars) {
  t.test(`an environment value ${JSON.stringify(source)} keeps its text`, async (t) => {
    const template = `name: n\ntasks:\n  - name: t\n    worker: w\n    actions:\n      - name: a\n        image: i\n        environment:\n          X: ${source}\n`
    if (want === undefined) return void t.throws(() => planOf(template), { code: 'Invalid' })
    t.same(planOf(template).tasks?.[0]?.actions[0]?.environment, { X: want })
  })
}

t.test('timeouts of 0 are the default of an action, and none for the whole', async (t) => {
  const status = planOf(
    base.replace('timeout: 60\n', 'timeout: 0\n').replace('global_timeout: 600', 'global_timeout: 0'),
  )
  t.equal(status.tasks?.[0]?.actions[0]?.timeout, 3600)
  t.notOk('globalTimeout' in status)
})

t.test('anchors and merge keys are understood', async (t) => {
  const template = `name: n
tasks:
  - name: t
    worker: w
    actions:
      - &a
        name: a
        image: i
        environment: &e {X: 1, Y: 2}
      - <<: *a
        name: b
        environment: {<<: *e, Y: 3}
`
  const [a, b] = planOf(template).tasks?.[0]?.actions ?? []
  t.match(a, { image: 'i', environment: { X: '1', Y: '2' } })
  t.match(b, { name: 'b', image: 'i', environment: { X: '1', Y: '3' } })
})

const long = 'x'.repeat(200)
const faults = [
  {
    name: 'a fault of the template language',
    change: ['name: n', 'name: {{ .nope }}'],
    want: '2:10: map has no entry for key "nope"',
  },
  { name: 'no YAML', change: ['name: n', 'name: [n'], want: /rendered template: \d+:\d+: not YAML: / },
  {
    name: 'a key twice',
    change: ['name: n', 'name: n\nname: m'],
    want: '3:1: not YAML: Map keys must be unique',
  },
  {
    name: 'no name',
    change: ['name: n\n', ''],
    want: '1:1: name cannot be empty or have more than 200 characters: ',
  },
  {
    name: 'a long name',
    change: ['name: n\n', `name: ${long}\n`],
    want: `2:7: name cannot be empty or have more than 200 characters: ${long}`,
  },
  {
    name: 'a task without a name',
    change: ['  - name: t', '  - name: ""'],
    want: '5:11: name cannot be empty',
  },
  {
    name: 'an action without a name',
    change: ['      - name: b\n        image', '      - image'],
    want: '20:9: name cannot be empty',
  },
  {
    name: 'a name of null',
    change: ['      - name: b', '      - name: ~'],
    want: '20:15: name cannot be empty',
  },
  {
    name: 'no worker after rendering',
    map: { device_1: '' },
    want: '6:13: failed to render template, empty hardware address (worker of task "t")',
  },
  {
    name: 'two actions of one name',
    change: ['- name: b', '- name: a'],
    want: '20:9: two actions in a task cannot have same name: a',
  },
  {
    name: 'an image that is none',
    change: ['image: reboot', 'image: Reboot'],
    want: '21:16: invalid action image (Reboot): invalid reference format: repository name (Reboot) must be lowercase',
  },
  {
    name: 'no image',
    change: ['        image: reboot\n', ''],
    want: '20:9: invalid action image (): invalid reference format',
  },
  {
    name: 'a command that is no list',
    change: ['[sh, -c, "{{.device_1}}"]', 'sh -c x'],
    want: '13:18: command must be a list',
  },
  {
    name: 'a timeout in words',
    change: ['timeout: 60\n', 'timeout: 1m\n'],
    want: '12:18: timeout must be a whole number',
  },
  {
    name: 'a timeout as text',
    change: ['timeout: 60\n', 'timeout: "60"\n'],
    want: '12:18: timeout must be a whole number',
  },
  {
    name: 'a broken timeout',
    change: ['timeout: 60\n', 'timeout: 1.5\n'],
    want: '12:18: timeout must be a whole number',
  },
  {
    name: 'a negative timeout',
    change: ['timeout: 60\n', 'timeout: -1\n'],
    want: '12:18: timeout must be a whole number from 0 to',
  },
  {
    name: 'a global timeout that is none',
    change: ['600', 'soon'],
    want: '3:17: global_timeout must be a whole number',
  },
  {
    name: 'an environment that is a list',
    change: ['{A: task, B: task}', '[A]'],
    want: '8:18: environment must be a mapping',
  },
  {
    name: 'an environment value that is a list',
    change: ['{A: task, B: task}', '{A: [x]}'],
    want: '8:22: environment A must be text',
  },
  {
    name: 'volumes that are text',
    change: ['[/dev:/dev]', '/dev:/dev'],
    want: '7:14: volumes must be a list',
  },
  {
    name: 'an action that is text',
    change: ['      - name: b\n        image: reboot', '      - b'],
    want: '20:9: an action must be a mapping',
  },
] as const
for (const { name, want, ...rest } of faults) {
  t.test(`${name} is reported with its place`, async (t) => {
    const [from, to] = 'change' in rest ? rest.change : ['', '']
    const template = base.replace(from, () => to)
    const error = thrown(() => planOf(template, 'map' in rest ? rest.map : undefined))
    t.equal(error.code, 'Invalid')
    t.match(error.message, want)
    t.match(error.faults[0]?.path, /^\d+:\d+$/)
  })
}

t.test('a template without tasks is reported', async (t) => {
  t.match(
    thrown(() => planOf('name: n\ntasks: []')).message,
    '2:8: template must have at least one task defined',
  )
  t.match(thrown(() => planOf('')).message, 'template must have at least one task defined')
  t.match(thrown(() => planOf('- a')).message, 'the template must be a mapping')
})

t.test('two tasks of one name are reported', async (t) => {
  const task = '  - {name: t, worker: w}\n'
  const { message } = thrown(() => planOf(`name: n\ntasks:\n${task}${task}`))
  t.equal(message, 'rendered template: 4:5: two tasks in a template cannot have same name (t)')
})

t.test('every fault is reported at once', async (t) => {
  const { faults } = thrown(() =>
    planOf('tasks:\n  - worker: w\n    actions:\n      - {image: A, command: x}\n'),
  )
  t.same(
    faults.map(({ message }) => message),
    [
      'name cannot be empty or have more than 200 characters: ',
      'name cannot be empty or have more than 200 characters: ',
      'name cannot be empty or have more than 200 characters: ',
      'invalid action image (A): invalid reference format: repository name (A) must be lowercase',
      'command must be a list',
    ],
  )
})

t.test('aliases that multiply are stopped', async (t) => {
  const actions = Array.from(
    { length: 900 },
    (_, i) => `      - {name: a${i}, image: i, environment: *e}\n`,
  ).join('')
  const environment = Array.from({ length: 2000 }, (_, i) => `    V${i}: x\n`).join('')
  const bomb = `name: n\ntasks:\n  - name: t\n    worker: w\n    environment: &e\n${environment.replaceAll('    V', '      V')}    actions:\n${actions}`
  t.match(thrown(() => planOf(bomb)).message, 'more than 100000 values')
  t.match(
    thrown(() =>
      planOf(
        `name: n\ntasks:\n  - name: t\n    worker: w\n    actions: [${'{name: a, image: i},'.repeat(1001)}]`,
      ),
    ).message,
    'more than 1000 actions',
  )
})

const images = [
  ['image2disk', { registry: 'docker.io', path: 'image2disk', tag: undefined, digest: undefined }],
  ['alpine:3.20', { registry: 'docker.io', path: 'alpine', tag: '3.20' }],
  [
    'quay.io/tinkerbell/actions/writefile:latest',
    { registry: 'quay.io', path: 'tinkerbell/actions/writefile', tag: 'latest' },
  ],
  ['127.0.0.1/embedded/reboot', { registry: '127.0.0.1', path: 'embedded/reboot' }],
  ['localhost:5000/a_b/c--d:V1', { registry: 'localhost:5000', path: 'a_b/c--d', tag: 'V1' }],
  [
    `x/y@sha256:${'a'.repeat(64)}`,
    { registry: 'docker.io', path: 'x/y', digest: `sha256:${'a'.repeat(64)}` },
  ],
  ['[::1]:5000/x', { registry: '[::1]:5000', path: 'x' }],
  ['UPPER/x', { registry: 'UPPER', path: 'x' }],
  ['', 'invalid reference format'],
  ['a//b', 'invalid reference format'],
  ['a/', 'invalid reference format'],
  ['-a', 'invalid reference format'],
  ['a:', 'invalid reference format'],
  ['a:b:c', 'invalid reference format'],
  ['a b', 'invalid reference format'],
  ['http://x/y', 'invalid reference format'],
  ['a@sha256:abc', 'invalid reference format'],
  ['a/B', 'invalid reference format: repository name (a/B) must be lowercase'],
  ['a'.repeat(64), 'invalid repository name'],
  [`r.io/${'a'.repeat(252)}`, 'must not be more than 255 characters'],
] as const
for (const [text, want] of images) {
  t.test(`the image ${JSON.stringify(text.slice(0, 60))}`, async (t) => t.match(parseImageName(text), want))
}

t.test('the last part of an image says what it does', async (t) => {
  t.equal(lastPart(`quay.io:443/x/image2disk:v1@sha256:${'b'.repeat(64)}`), 'image2disk')
  t.equal(lastPart('reboot'), 'reboot')
  t.equal(lastPart('not an image'), '')
})

const folder = new URL('../../workflows/', import.meta.url)
const values = {
  device_1: '00:00:00:00:00:01',
  image_url: 'http://10.0.0.1:7171/images/x.raw.zst',
  image_sha256: '0123'.repeat(16),
  metadata_url: 'http://10.0.0.1:7172,http://10.0.0.2:7172',
}
for (const file of ['debian-cloud.yaml', 'ubuntu.yaml']) {
  t.test(`workflows/${file} can be run`, async (t) => {
    const documents = parseAllDocuments(readFileSync(new URL(file, folder), 'utf8')).map((document) =>
      document.toJS(),
    )
    const template = documents.find(({ kind }) => kind === 'Template').spec.data
    const [task] = planOf(template, values).tasks ?? []
    t.equal(task?.agentID, values.device_1)
    const kinds = task?.actions.map((action) => lastPart(action.image))
    t.match(kinds?.at(0), 'image2disk')
    t.match(kinds?.at(-1), /^(reboot|kexec)$/)
    t.match(task?.actions[0]?.environment, {
      DEST_DISK: '/dev/nvme0n1',
      IMG_URL: values.image_url,
      SHA256: values.image_sha256,
      COMPRESSED: 'true',
    })
    for (const { environment } of task?.actions.slice(1, -1) ?? []) {
      t.match(environment, { FS_TYPE: 'ext4', DEST_DISK: /^\/dev\/nvme0n1p[23]$/, MODE: /^0\d{3}$/ })
      t.ok(parse(environment?.['CONTENTS'] ?? ''), 'the file is YAML')
    }
    const other = planOf(template, { ...values, root_partition: '1' }).tasks?.[0]?.actions[1]
    t.equal(other?.environment?.['DEST_DISK'], '/dev/nvme0n1p1')
  })
}

t.test('the Ubuntu template gives the machine its address, on its VLAN when it has one', async (t) => {
  const text = parse(readFileSync(new URL('ubuntu.yaml', folder), 'utf8')).spec.data
  const netplan = (machine: Hardware) => {
    const { status } = plan({
      template: text,
      spec: { hardwareMap: values },
      hardware: machine,
      newId: () => 'id',
      now,
    })
    return parse(status.tasks?.[0]?.actions[1]?.environment?.['CONTENTS'] ?? '').network
  }
  const address = {
    addresses: ['10.0.0.9/23'],
    nameservers: { addresses: ['10.0.0.2', '10.0.0.3'] },
    routes: [{ to: '0.0.0.0/0', via: '10.0.0.1' }],
  }
  const match = { macaddress: '00:00:00:00:00:01' }
  t.same(netplan(hardware), {
    version: 2,
    renderer: 'networkd',
    ethernets: { nic0: { match, dhcp4: false, ...address } },
  })
  const tagged = structuredClone(hardware)
  tagged.spec!.interfaces![0]!.dhcp!.vlan_id = '77'
  t.same(netplan(tagged), {
    version: 2,
    renderer: 'networkd',
    ethernets: { nic0: { match, dhcp4: false } },
    vlans: { vlan77: { id: 77, link: 'nic0', ...address } },
  })
})

function thrown(run: () => unknown): AppError {
  try {
    run()
  } catch (error) {
    return error as AppError
  }
  throw new Error('no fault')
}
