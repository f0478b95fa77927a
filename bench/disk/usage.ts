/** `cpuSeconds`: of all processes that took part on the machine's side; `peakMiB`: of the agent's own process */
export type Written = { seconds: number; cpuSeconds: number; peakMiB: number }

export type AgentOrder = { environment: Record<string, string>; folder: string; protoFile: string }

const ticks = 100

/**
 * CPU time of the children that a process has waited for, and of theirs.
 * @param stat as in /proc/PID/stat (proc(5): cutime, cstime)
 */
export function childrenCpuSeconds(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) / ticks
}
