import { readFileSync, writeFileSync } from 'node:fs'

/** `sysconf(_SC_CLK_TCK)` of Linux: ticks in a second. */
const ticks = 100

/** Seconds of CPU that a process has used, user and system, all threads, in steps of 10 ms. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // the name, which is the second field, may contain blanks
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticks
}

/** A process and its children. */
export function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return [pid, ...children.map(Number)]
}

export type Memory = { rssMiB: number; peakMiB: number }

/** Resident memory now, and the most since the start or `forgetPeakOf`. */
export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mebibytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024
  return { rssMiB: mebibytes('VmRSS'), peakMiB: mebibytes('VmHWM') }
}

/** The peak begins anew at what is resident now (proc(5), clear_refs). */
export const forgetPeakOf = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5')
