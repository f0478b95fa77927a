import type { Client, ClientReadableStream } from '@grpc/grpc-js'
import { setTimeout as sleep } from 'node:timers/promises'
import { call, codeOf, connect, inTime } from './agent-host.ts'
import type { AgentOptions, Work } from './agent-host.ts'

type Context = {
  workflow_id: string
  current_action: string
  current_action_index: number
  current_action_state: string
  total_number_of_actions: number
}
type Action = Omit<Work, 'workflowId'> & { task_name: string; worker_id: string }
type State = 'STATE_RUNNING' | 'STATE_FAILED' | 'STATE_TIMEOUT' | 'STATE_SUCCESS'

/** `0.6`: the worker of 0.6 to 0.8, with the old name of the service and its data. */
export type LegacyOptions = AgentOptions & { release?: '0.6' | '0.9' }

/** tink-worker: asks every so often which Workflows there are, then runs their actions as long as they are its own. */
export async function legacyAgent(options: LegacyOptions): Promise<void> {
  const { id, host, signal, release = '0.9', backoffMs: retryMs = 50 } = options
  const client: Client =
    release === '0.6'
      ? connect(
          'tink-worker-0.6.proto',
          'github.com.tinkerbell.tink.protos.workflow.WorkflowService',
          options,
        )
      : connect('tink-worker.proto', 'proto.WorkflowService', options)
  const pause = () => sleep(retryMs, undefined, { signal }).catch(() => undefined)
  try {
    while (!signal.aborted) {
      await host.at('ask')
      for (const context of await contexts()) await carryOut(context)
      await pause()
    }
  } finally {
    client.close()
  }

  async function contexts(): Promise<Context[]> {
    const found: Context[] = []
    try {
      const open = client as unknown as {
        GetWorkflowContexts(request: object): ClientReadableStream<Context>
      }
      const stream = open.GetWorkflowContexts({ worker_id: id })
      const cancel = () => stream.cancel()
      signal.addEventListener('abort', cancel, { once: true })
      for await (const context of stream) found.push(context as Context)
      signal.removeEventListener('abort', cancel)
    } catch (error) {
      host.failed?.('GetWorkflowContexts', codeOf(error))
    }
    return found
  }

  async function carryOut(context: Context): Promise<void> {
    const { workflow_id } = context
    const list = await call<{ action_list: Action[] }>(
      client,
      'GetWorkflowActions',
      { workflow_id },
      signal,
    ).catch((error: unknown) => host.failed?.('GetWorkflowActions', codeOf(error)))
    let index = firstIndex(context)
    for (
      let action = list?.action_list[index];
      action?.worker_id === id;
      action = list?.action_list[++index]
    ) {
      if (signal.aborted) return
      await host.at(`given ${action.name}`)
      if (context.current_action_state !== 'STATE_RUNNING') await report(workflow_id, action, 'STATE_RUNNING')
      if (signal.aborted) return
      await host.at(`begun ${action.name}`)
      if (release === '0.6') await ephemeral('GetWorkflowData', { workflow_id })
      const ending = await inTime({ ...action, workflowId: workflow_id }, host)
      await host.at(`ran ${action.name}`)
      await report(workflow_id, action, `STATE_${ending}`)
      await host.at(`ended ${action.name}`)
      if (ending !== 'SUCCESS') return
      if (release === '0.6')
        await ephemeral('UpdateWorkflowData', {
          workflow_id,
          metadata: Buffer.from('{}'),
          data: Buffer.from('{}'),
        })
    }
  }

  function ephemeral(method: string, request: object): Promise<unknown> {
    return call(client, method, request, signal).catch((error: unknown) =>
      host.failed?.(method, codeOf(error)),
    )
  }

  /** Repeated until it is answered, whatever the code. */
  async function report(workflow_id: string, action: Action, action_status: State): Promise<void> {
    const told = {
      workflow_id,
      task_name: action.task_name,
      action_name: action.name,
      action_status,
      seconds: action_status === 'STATE_RUNNING' ? 0 : 1,
      message:
        action_status === 'STATE_RUNNING'
          ? 'Started execution'
          : action_status === 'STATE_SUCCESS'
            ? 'finished execution successfully'
            : '',
      worker_id: id,
    }
    while (!signal.aborted) {
      try {
        await call(client, 'ReportActionStatus', told, signal)
        return
      } catch (error) {
        host.failed?.(action_status, codeOf(error))
        await pause()
      }
    }
  }
}

function firstIndex({ current_action, current_action_index, current_action_state }: Context): number {
  if (current_action === '') return 0
  if (current_action_state === 'STATE_SUCCESS') return current_action_index + 1
  if (current_action_state === 'STATE_FAILED' || current_action_state === 'STATE_TIMEOUT') return Infinity
  return current_action_index
}
