import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findAction } from '../../src/agent/actions/registry.ts'
import { systemCommands } from '../../src/agent/commands.ts'
import { systemDisks } from '../../src/agent/image/device.ts'
import { Ledger } from '../../src/agent/ledger.ts'
import { systemMounts } from '../../src/agent/mounts.ts'
import { Outbox } from '../../src/agent/outbox.ts'
import { Runner } from '../../src/agent/runner.ts'
import { connector } from '../../src/agent/wire.ts'
import { systemClock } from '../../src/model/clock.ts'
import { childrenCpuSeconds } from './usage.ts'
import type { AgentOrder, Written } from './usage.ts'

/** The agent with all its parts but a server to talk to: carries out one image2disk. */

const { environment, folder, protoFile } = JSON.parse(process.argv[2]!) as AgentOrder
const clock = systemClock
const actionId = randomUUID()
connector(protoFile, '127.0.0.1:9', '')
const ledger = new Ledger(join(folder, 'actions.json'))
const outbox = new Outbox({ ledger, clock })
const machine = {
  disks: systemDisks({ commands: systemCommands, clock }),
  mounts: systemMounts(systemCommands, folder),
  commands: systemCommands,
  clock,
  uefi: false,
  trusted: [],
  registries: [],
  folder,
  installedDisk: { get: () => undefined, set: () => {} },
}
const runner = new Runner({ ledger, outbox, machine, findAction, leave: async () => {}, say: () => {} })

const stat = () => readFileSync('/proc/self/stat', 'latin1')
const cpu = process.cpuUsage()
const children = childrenCpuSeconds(stat())
const began = performance.now()
runner.run({
  workflowId: 'bench/bench',
  taskId: 'task',
  actionId,
  name: 'write the image',
  image: 'image2disk',
  command: [],
  environment,
  volumes: [],
  pidNamespace: '',
  networkNamespace: '',
  timeoutMs: 600_000,
  attempt: 1,
})
await runner.idle()
const seconds = (performance.now() - began) / 1000
const { user, system } = process.cpuUsage(cpu)
const entry = ledger.get(actionId)
if (entry?.state !== 'ACTION_STATE_SUCCESS') throw new Error(entry?.message ?? 'the action did not run')
const written: Written = {
  seconds,
  cpuSeconds: (user + system) / 1e6 + childrenCpuSeconds(stat()) - children,
  peakMiB: process.resourceUsage().maxRSS / 1024,
}
console.log(JSON.stringify(written))
