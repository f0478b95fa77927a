import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { compiled } from './compiled.ts'
import { onCore, twoCores } from './cores.ts'
import { cpuSecondsOf } from './process.ts'

/** What all programs that load a server are told. */
export type Load = {
  /** what comes before that which counts: s at least, and so much work; given up after 15 s */
  warm: { seconds: number; work: number }
  /** s that count */
  seconds: number
  /** processes of the server, whose CPU time is taken */
  pids: readonly number[]
}

/** What was done in how many s, with how many s of CPU time of the server and of the program itself. */
export type LoadReading = { work: number; seconds: number; cpuSeconds: number; clientCpuSeconds: number }

const longestWarmMs = 15_000

/**
 * Runs a program that loads a server, on the clients' core, and reads what it prints.
 * @param namespace network in which it runs; that of the server when left out
 */
export async function runLoad<Reading>(url: URL, load: Load, namespace?: string): Promise<Reading> {
  const [command, args] = onCore(twoCores().client, [process.execPath, compiled(url), JSON.stringify(load)])
  const inside = namespace ? ['nsenter', `--net=/run/netns/${namespace}`] : []
  const [program, ...rest] = [...inside, command, ...args]
  const { stdout } = await promisify(execFile)(program!, rest)
  return JSON.parse(stdout) as Reading
}

/** Within the program: what it is told. */
export const readLoad = <Told extends Load>(): Told => JSON.parse(process.argv[2]!) as Told

/**
 * Within the program: takes one turn after the other for the time that is wanted.
 * @param turn one look at what has come
 * @param work what was done since the start
 */
export function turns({ warm, seconds, pids }: Load, turn: () => void, work: () => number): LoadReading {
  const serverCpu = () => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
  const opened = performance.now()
  const isWarm = (ms: number) => ms > longestWarmMs || (ms > warm.seconds * 1000 && work() >= warm.work)
  while (!isWarm(performance.now() - opened)) turn()
  const [began, before, cpu, ownCpu] = [performance.now(), work(), serverCpu(), process.cpuUsage()]
  while (performance.now() < began + seconds * 1000) turn()
  const { user, system } = process.cpuUsage(ownCpu)
  return {
    work: work() - before,
    seconds: (performance.now() - began) / 1000,
    cpuSeconds: serverCpu() - cpu,
    clientCpuSeconds: (user + system) / 1e6,
  }
}
