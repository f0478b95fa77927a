import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { loadConfig, settings } from '../../src/config.ts'

export const projectDir = fileURLToPath(new URL('../..', import.meta.url))
export const readProjectFile = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8')

/** What the server runs with when nothing is said. */
export const defaults = loadConfig({ env: {}, flags: {} })

const { dhcp, tftp, http, metadata, grpc, api } = defaults
/** Ports of the server as EXPOSE spells them. */
export const exposed = [
  `${dhcp.port}/udp`,
  `${tftp.port}/udp`,
  ...[http.port, ...metadata.ports, grpc.port, api.port].map(String),
]

export const settingNames = new Set(settings.map(({ env }) => env))
