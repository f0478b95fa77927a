import { createReadStream } from 'node:fs'
import { Ajv } from 'ajv'
import Sqlite from 'better-sqlite3'
import Papa from 'papaparse'

/**
 * The least that an import can be, as a program of its own: papaparse, ajv, a check for duplicates, JSON, and two inserts
 * for each object (itself and its event) in one transaction. Arguments: the CSV, a new database. Prints a RivalReading.
 */
export type RivalReading = { rows: number; seconds: number; cpuSeconds: number; peakMiB: number }

type Row = Record<string, string>
const [csvPath, databasePath] = process.argv.slice(2) as [string, string]

const pattern = {
  mac: '^([0-9a-f]{2}:){5}[0-9a-f]{2}$',
  ip: '^([0-9]{1,3}\\.){3}[0-9]{1,3}$',
  name: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$',
}
const text = (expression: string) => ({ type: 'string', pattern: expression })
const isValid = new Ajv().compile<Row>({
  type: 'object',
  required: ['hostname', 'mac', 'ip_address', 'netmask', 'gateway', 'nameservers', 'labels', 'disk'],
  properties: {
    hostname: text(pattern.name),
    mac: text(pattern.mac),
    ip_address: text(pattern.ip),
    netmask: text(pattern.ip),
    gateway: text(pattern.ip),
    disk: text('^/dev/'),
    vlan_id: text('^[0-9]*$'),
  },
})

const db = new Sqlite(databasePath)
db.pragma('locking_mode = EXCLUSIVE')
db.pragma('journal_mode = WAL')
db.pragma('synchronous = FULL')
db.exec('CREATE TABLE objects (kind TEXT, name TEXT, version INTEGER, json TEXT, PRIMARY KEY (kind, name))')
db.exec('CREATE TABLE events (version INTEGER PRIMARY KEY, type TEXT, json TEXT)')
const putObject = db.prepare('INSERT INTO objects VALUES (?, ?, ?, ?)')
const putEvent = db.prepare("INSERT INTO events VALUES (?, 'ADDED', ?)")

let version = 0
function store(kind: string, name: string, rest: object): void {
  version += 1
  const metadata = { name, namespace: 'eksa-system', resourceVersion: String(version) }
  const json = JSON.stringify({ apiVersion: 'tinkerbell.org/v1alpha1', kind, metadata, ...rest })
  putObject.run(kind, name, version, json)
  putEvent.run(version, json)
}

function storeRow(row: Row): void {
  const { hostname, mac, ip_address, netmask, gateway, disk } = row as Record<string, string>
  const address = { address: ip_address, netmask, gateway, family: 4 }
  const labels = Object.fromEntries(row['labels']!.split('|').map((label) => label.split('=')))
  const name_servers = row['nameservers']!.split('|')
  const instance = {
    id: mac,
    hostname,
    ips: [{ ...address, public: true }],
    allow_pxe: true,
    always_pxe: true,
  }
  const dhcp = {
    arch: 'x86_64',
    mac,
    hostname,
    name_servers,
    uefi: true,
    lease_time: 4294967294,
    ip: address,
  }
  store('Hardware', hostname!, {
    labels,
    spec: {
      disks: [{ device: disk }],
      interfaces: [
        { netboot: { allowPXE: true, allowWorkflow: true }, dhcp: { ...dhcp, vlan_id: row['vlan_id'] } },
      ],
      metadata: { facility: { facility_code: 'onprem', plan_slug: 'c2.medium.x86' }, instance },
    },
  })
  if (row['bmc_ip']) storeBmc(row)
}

function storeBmc({ hostname, bmc_ip, bmc_username, bmc_password }: Row): void {
  const authSecretRef = { name: `bmc-${hostname}-auth`, namespace: 'eksa-system' }
  const connection = {
    host: bmc_ip,
    authSecretRef,
    insecureTLS: true,
    providerOptions: { preferredOrder: ['gofish'] },
  }
  store('Machine', `bmc-${hostname}`, { spec: { connection } })
  const base64 = (value = '') => Buffer.from(value).toString('base64')
  store('Secret', `bmc-${hostname}-auth`, {
    type: 'kubernetes.io/basic-auth',
    data: { username: base64(bmc_username), password: base64(bmc_password) },
  })
}

const seen = new Set<string>()
let rows = 0
function take(row: Row): void {
  if (!isValid(row)) throw new Error(`row ${rows + 1} is not valid`)
  for (const cell of [row['mac']!, row['ip_address']!, row['hostname']!]) {
    if (seen.has(cell)) throw new Error(`row ${rows + 1}: ${cell} is there twice`)
    seen.add(cell)
  }
  storeRow(row)
  rows += 1
}

const began = performance.now()
const cpu = process.cpuUsage()
db.exec('BEGIN')
await new Promise<void>((resolve, reject) => {
  Papa.parse<Row>(createReadStream(csvPath), {
    header: true,
    skipEmptyLines: true,
    step: ({ data }) => take(data),
    complete: () => resolve(),
    error: reject,
  })
})
db.exec('COMMIT')
const seconds = (performance.now() - began) / 1000
const used = process.cpuUsage(cpu)
const peakMiB = process.resourceUsage().maxRSS / 1024
const reading: RivalReading = { rows, seconds, cpuSeconds: (used.user + used.system) / 1e6, peakMiB }
console.log(JSON.stringify(reading))
db.close()
