import { rm } from 'node:fs/promises'
import { runProgram } from '../../src/cli/program.ts'
import type { CliDeps } from '../../src/cli/program.ts'
import { systemClock } from '../../src/model/clock.ts'
import type { Workflow } from '../../src/model/workflow.ts'
import { updateStatus } from '../../src/store/resource.ts'
import { workflow } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'

export type Run = { code: number; out: string; err: string }
export type Running = Run & { ended: Promise<Run> }

/** Starts one command line inside this process; what it has written so far can be read while it runs. */
export function start(argv: string[], kubeconfig: string, more: Partial<CliDeps> = {}): Running {
  const running = { code: -1, out: '', err: '' } as Running
  const deps: CliDeps = {
    stdout: { write: (text) => (running.out += text) },
    stderr: { write: (text) => (running.err += text) },
    readStdin: async () => '',
    env: { KUBECONFIG: kubeconfig },
    ...systemClock,
    version: '1.2.3',
    signal: new AbortController().signal,
    ...more,
  }
  running.ended = runProgram(argv, deps).then((code) => ({ code, out: running.out, err: running.err }))
  return running
}

/** A runner of whole command lines against `server`. */
export const runner =
  (server: () => TestServer) =>
  (argv: string[], more: Partial<CliDeps> = {}) =>
    start(argv, server().pki.kubeconfigPath, more).ended

/** Waits until `is` holds, 30 s at most. */
export async function until(what: string, is: () => boolean): Promise<void> {
  const limit = Date.now() + 30_000
  while (!is()) {
    if (Date.now() > limit) throw new Error(`not within 30 s: ${what}`)
    await systemClock.sleep(5)
  }
}

type ActionSketch = { name: string; state: string; message?: string; start?: string }

/** Creates a Workflow in ns1. */
export async function createWorkflow(server: TestServer, name: string): Promise<Workflow> {
  return (await server.client.create(workflow(name))) as Workflow
}

/** Gives a Workflow of ns1 a status with one task; the ids of its actions are `<workflow>-<number from 1>`. */
export async function setStatus(
  server: TestServer,
  name: string,
  state: string,
  actions: readonly ActionSketch[] = [],
  reason?: string,
): Promise<void> {
  const rows = actions.map((action, index) => ({
    id: `${name}-${index + 1}`,
    name: action.name,
    image: 'i',
    state: action.state,
    ...(action.state === 'SUCCESS' ? { executionDuration: '5s' } : {}),
    ...(action.message ? { message: action.message } : {}),
    ...(action.start ? { executionStart: action.start } : {}),
  }))
  const condition = { type: 'Succeeded', status: 'False', message: reason }
  const agentID = '52:54:00:00:00:01'
  await updateStatus(
    server.db.store,
    { kind: 'Workflow', namespace: 'ns1', name },
    {
      state,
      agentID,
      tasks: [{ id: 't', name: 'install', agentID, actions: rows }],
      ...(reason ? { conditions: [condition] } : {}),
    },
  )
}

/** Ends a server that had a data folder of its own. */
export async function closeAll(server: TestServer, folder: string): Promise<void> {
  await server.close()
  await rm(folder, { recursive: true, force: true })
}
