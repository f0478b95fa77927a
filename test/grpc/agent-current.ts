import { status } from '@grpc/grpc-js'
import { call, codeOf, connect, createBackoff, inTime } from './agent-host.ts'
import type { AgentOptions, Ending, Work } from './agent-host.ts'

type Action = Omit<Work, 'workflowId'> & {
  workflow_id: string
  task_id: string
  agent_id: string
  action_id: string
  namespaces: { network: string; pid: string } | null
}

/** Answers to its last report that make the agent end. */
const permanent: readonly number[] = [status.NOT_FOUND, status.INVALID_ARGUMENT, status.FAILED_PRECONDITION]

/** Go's zero time: 1 January of year 1. */
const zeroTime = { seconds: -62135596800, nanos: 0 }

/** As the real one finds it in its machine and sends it with every request. */
const attributes = {
  cpu: { total_cores: 4, total_threads: 8 },
  memory: { total: '32GB', usable: '31GB' },
  block: [{ name: 'sda', size: '100GB' }],
  product: { name: 'PowerEdge', vendor: 'Dell', serial_number: 'S1' },
}

/** tink-agent: asks, says that it begins, runs, says how it ended. @returns why it ended */
export async function currentAgent(options: AgentOptions): Promise<'stopped' | 'exited'> {
  const { id, host, signal } = options
  const client = connect('tink-agent.proto', 'proto.WorkflowService', options)
  const backoff = createBackoff(options.backoffMs ?? 50, signal)
  const request = { agent_id: id, agent_attributes: attributes }
  const noted = (method: string) => (error: unknown) => {
    host.failed?.(method, codeOf(error))
  }
  try {
    while (!signal.aborted) {
      await host.at('ask')
      const action = await call<Action>(client, 'GetAction', request, signal).catch(noted('GetAction'))
      if (!action) {
        await backoff.wait()
        continue
      }
      backoff.reset()
      await host.at(`given ${action.name}`)
      const begun = await report(action, 'RUNNING').then(() => true, noted('RUNNING'))
      if (!begun) {
        await backoff.wait()
        continue
      }
      await host.at(`begun ${action.name}`)
      const ending = await inTime({ ...action, workflowId: action.workflow_id }, host)
      await host.at(`ran ${action.name}`)
      if ((await reportEnd(action, ending)) === 'exited') return 'exited'
      await host.at(`ended ${action.name}`)
    }
    return 'stopped'
  } finally {
    client.close()
  }

  async function reportEnd(action: Action, ending: Ending): Promise<'reported' | 'exited'> {
    while (!signal.aborted) {
      try {
        await report(action, ending)
        return 'reported'
      } catch (error) {
        noted(ending)(error)
        if (permanent.includes(codeOf(error))) return 'exited'
        await backoff.wait()
      }
    }
    return 'reported'
  }

  function report(action: Action, state: 'RUNNING' | Ending): Promise<object> {
    const isOver = state !== 'RUNNING'
    const now = { seconds: Math.floor(Date.now() / 1000), nanos: 0 }
    const { workflow_id, task_id, action_id, name: action_name } = action
    const told = {
      workflow_id,
      agent_id: id,
      task_id,
      action_id,
      action_name,
      action_state: state,
      execution_start: isOver ? now : zeroTime,
      execution_stop: isOver ? now : zeroTime,
      execution_duration: isOver ? '1s' : '',
      message: { message: isOver ? 'action completed' : 'running action' },
    }
    return call(client, 'ReportActionStatus', told, signal)
  }
}
