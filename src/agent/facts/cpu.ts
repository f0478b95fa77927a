import { join } from 'node:path'
import type { AgentAttributes, Processor } from '../../model/agent-attributes.ts'
import { names, text } from './files.ts'

type Cpu = NonNullable<AgentAttributes['cpu']>
type Thread = { socket: number; core: string; lines: ReadonlyMap<string, string> }

/** ARM's implementers, as /proc/cpuinfo numbers them. */
const implementers: Readonly<Record<string, string>> = {
  '0x41': 'ARM',
  '0x42': 'Broadcom',
  '0x43': 'Cavium',
  '0x48': 'HiSilicon',
  '0x4e': 'NVIDIA',
  '0x50': 'Applied Micro',
  '0x51': 'Qualcomm',
  '0xc0': 'Ampere',
}

/**
 * Sockets with their cores and threads: the threads of /proc/cpuinfo, put together by the topology in /sys, else by the
 * numbers that x86 has in /proc/cpuinfo itself.
 * @param root prefix of `/proc` and `/sys`
 */
export async function readCpu(root: string): Promise<Cpu> {
  const blocks = (await text(join(root, '/proc/cpuinfo')))
    .split(/\n\s*\n/)
    .filter((block) => /^processor\s*:/m.test(block))
  const threads = await Promise.all(blocks.map((block, at) => readThread(root, linesOf(block), at)))
  const sockets = [...new Set(threads.map(({ socket }) => socket))].sort((a, b) => a - b)
  const processors = sockets.map((id) =>
    processorOf(
      id,
      threads.filter(({ socket }) => socket === id),
    ),
  )
  return {
    totalCores: processors.reduce((sum, { cores = 0 }) => sum + cores, 0),
    totalThreads: threads.length,
    processors,
  }
}

function linesOf(block: string): ReadonlyMap<string, string> {
  const pairs = block.split('\n').map((line) => line.split(':', 2).map((part) => part.trim()))
  return new Map(pairs.map(([name = '', value = '']) => [name, value]))
}

async function readThread(root: string, lines: ReadonlyMap<string, string>, at: number): Promise<Thread> {
  const folder = join(root, '/sys/devices/system/cpu', `cpu${lines.get('processor') ?? at}`, 'topology')
  const known = (await names(folder)).length > 0
  const socket = known ? await text(join(folder, 'physical_package_id')) : lines.get('physical id')
  const core = known ? await text(join(folder, 'core_id')) : lines.get('core id')
  return { socket: Math.max(0, Number(socket) || 0), core: core || `thread ${at}`, lines }
}

function processorOf(id: number, threads: readonly Thread[]): Processor {
  const { lines } = threads[0]!
  const implementer = lines.get('CPU implementer')
  return {
    id,
    cores: new Set(threads.map(({ core }) => core)).size,
    threads: threads.length,
    vendor: lines.get('vendor_id') ?? implementers[implementer ?? ''] ?? implementer ?? '',
    model: lines.get('model name') ?? lines.get('CPU part') ?? '',
    capabilities: (lines.get('flags') ?? lines.get('Features') ?? '').split(/\s+/).filter(Boolean),
  }
}
