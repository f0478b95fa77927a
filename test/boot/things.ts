import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import type { Logger } from '../../src/log.ts'
import { parseIp4 } from '../../src/model/ip4.ts'
import { parseMac } from '../../src/model/mac.ts'
import { machinesOf } from '../../src/model/machine.ts'
import type { Machine } from '../../src/model/machine.ts'
import type { Hardware, HardwareSpec } from '../../src/model/hardware.ts'
import type { Workflow } from '../../src/model/workflow.ts'
import { readScriptTexts } from '../../src/boot/open.ts'
import type { BootSite } from '../../src/boot/script.ts'
import type { Facts, Stage } from '../../src/timeline/stage.ts'

export const silent: Logger = pino({ level: 'silent' })
export const mac = parseMac('52:54:00:00:00:01')!
export const loopback = parseIp4('127.0.0.1')!
export const texts = await readScriptTexts(fileURLToPath(new URL('../../ipxe', import.meta.url)))

export const site: BootSite = {
  baseUrl: 'http://192.168.77.1:7171',
  grpcAuthority: '192.168.77.1:42113',
  syslogHost: '192.168.77.1',
  tls: false,
  insecureTls: false,
  kernelArgs: [],
  osUrl: '',
  kernelName: 'vmlinuz',
  initrdName: 'initramfs',
  tries: 5,
  retrySeconds: 3,
}

const meta = (name: string) => ({
  name,
  namespace: 'default',
  uid: `uid-${name}`,
  resourceVersion: '1',
  generation: 1,
  creationTimestamp: '2026-01-01T00:00:00Z',
})

export type HardwareParts = {
  spec?: HardwareSpec
  labels?: Record<string, string>
  annotations?: Record<string, string>
}

/** A Hardware with one interface that may netboot, and whatever else a test says. */
export function hardwareOf({ spec = {}, labels, annotations }: HardwareParts = {}): Hardware {
  const usual = {
    dhcp: { mac, ip: { address: '127.0.0.1' }, hostname: 'node-1' },
    netboot: { allowPXE: true },
  }
  return {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Hardware',
    metadata: { ...meta('node-1'), ...(labels && { labels }), ...(annotations && { annotations }) },
    spec: { interfaces: [usual], ...spec },
  }
}

export function machineOf(changes: Partial<Machine> = {}): Machine {
  return { ...machinesOf(hardwareOf())[0]!, ...changes }
}

export function workflowOf(name: string, state: string | undefined, disabled?: boolean): Workflow {
  return {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Workflow',
    metadata: meta(name),
    spec: { hardwareRef: 'node-1', ...(disabled === undefined ? {} : { disabled }) },
    ...(state === undefined ? {} : { status: { state } }),
  }
}

export type Recorded = { mac: string; stage: Stage; facts: Facts | undefined }

/** A RecordStage and what it was told. */
export function recorder() {
  const recorded: Recorded[] = []
  return {
    recorded,
    record: (mac: string, stage: Stage, facts?: Facts) => void recorded.push({ mac, stage, facts }),
  }
}
