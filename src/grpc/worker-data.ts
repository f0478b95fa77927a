/** Bytes that are kept of one Workflow, and Workflows that are kept. */
const most = { bytes: 16 * 1024, workflows: 1024 }

/** What a tink-worker 0.6 to 0.8 wants to find again in a later action, in memory; `version` counts its changes. */
export type WorkerData = {
  get(workflowId: string): { data: Uint8Array; version: number }
  /** Leaves out what is too large: the worker would end if it were told. */
  put(workflowId: string, data: Uint8Array): void
}

export function createWorkerData(): WorkerData {
  const kept = new Map<string, { data: Uint8Array; version: number }>()
  return {
    get: (workflowId) => kept.get(workflowId) ?? { data: new Uint8Array(), version: 0 },
    put: (workflowId, data) => {
      if (data.length > most.bytes) return
      const version = (kept.get(workflowId)?.version ?? 0) + 1
      kept.delete(workflowId)
      kept.set(workflowId, { data: Uint8Array.from(data), version })
      const [oldest] = kept.keys()
      if (kept.size > most.workflows && oldest !== undefined) kept.delete(oldest)
    },
  }
}
