import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { importCsv, openConnection } from './api.ts'
import type { Api, Connection } from './api.ts'

/** Rows of hardware.csv: `count` of them from the machine with the number `first` on, with BMC columns or without. */
export type Rows = { first: number; count: number; withBmc: boolean }

const columns = 'hostname,mac,ip_address,netmask,gateway,nameservers,labels,disk,vlan_id'
const octets = (at: number) => [(at >> 16) & 255, (at >> 8) & 255, at & 255]

export const nameOf = (at: number): string => `node-${at}`
export const ipOf = (at: number): string => `10.${octets(at).join('.')}`
export const macOf = (at: number): string =>
  `52:54:00:${octets(at)
    .map((octet) => octet.toString(16).padStart(2, '0'))
    .join(':')}`

/** One row, about 145 bytes, three labels in quotes among them. */
function lineOf(at: number, withBmc: boolean): string {
  const labels = `"type=worker|rack=r${at % 500}|zone=europe-west-${at % 7}"`
  const network = `${ipOf(at)},255.0.0.0,10.0.0.1,8.8.8.8|1.1.1.1`
  const bmc = withBmc ? `,172.${16 + (at >> 16)}.${octets(at).slice(1).join('.')},root,pass-${at}` : ''
  return `${nameOf(at)},${macOf(at)},${network},${labels},/dev/nvme0n1,${(at % 4000) + 1}${bmc}\n`
}

export async function writeCsv(path: string, { first, count, withBmc }: Rows): Promise<void> {
  const file = createWriteStream(path)
  file.write(`${columns}${withBmc ? ',bmc_ip,bmc_username,bmc_password' : ''}\n`)
  for (let at = first; at < first + count; at++) {
    if (!file.write(lineOf(at, withBmc))) await once(file, 'drain')
  }
  file.end()
  await once(file, 'close')
}

/** Sends a file as curl's `--data-binary` does. */
export async function uploadCsv(connection: Connection, path: string): Promise<void> {
  const { size } = await stat(path)
  await importCsv(connection, createReadStream(path), size)
}

/** Fills an inventory. */
export async function loadInventory(api: Api, path: string, rows: Rows): Promise<void> {
  await writeCsv(path, rows)
  using connection = await openConnection(api)
  await uploadCsv(connection, path)
}
