import type { WorkflowStatus } from '../model/workflow.ts'

/**
 * What v1alpha1 has no field for, kept under `status.ironwake` because it must live and die with the run state that it
 * explains: one write changes both. `bootId` is the boot of the machine that got the current (or latest) action,
 * `attempt` counts from 1 how often that action was started. `session` stands in for `bootId` where the agent has none:
 * the connection over which it got that action. `isLeaving`: it has said that it runs the action that ends its boot. All
 * may be absent: nothing is then known.
 */
export type RunNotes = {
  bootId?: string
  attempt?: number
  session?: string
  isLeaving?: true
  /** how often the current action has failed and is, or was, tried again */
  failures?: number
  /** how the latest of these failures was told */
  lastError?: string
  /** when the current action is tried again (RFC 3339); absent once that time has come */
  nextTryAt?: string
  /** how long the action that runs has been paused, ms, without the pause that lasts */
  pausedMs?: number
  /** by the action's id; only where there is something to say */
  actions?: Readonly<Record<string, ActionNotes>>
}

/** What a template says of an action that v1alpha1 has no field for. */
export type ActionNotes = {
  /** further tries after a failure */
  retries?: number
  /** before the first of them; doubled before each one more */
  retryDelaySeconds?: number
  /** what to run in the action's image once it has run out of time, or failed */
  onTimeout?: readonly string[]
  onFailure?: readonly string[]
}

/** Which boot of a machine an agent speaks from; `session` is there when it cannot say. */
export type Boot = { bootId: string; session?: string }

/** Workflow.status with ironwake's own notes. */
export type RunStatus = WorkflowStatus & { ironwake?: RunNotes }

export type ReportedState = 'RUNNING' | 'SUCCESS' | 'FAILED' | 'TIMEOUT'

/**
 * What happened; `at` is the server's epoch ms. `agentId` is spelled as in the task. `agent-ready`: an agent connected,
 * or became free. `agent-lost`: it has not been heard for so long that it is not expected back. `phoned-home`: the
 * installed system of the machine said that it runs. `netboot-set`: what the command `allow-netboot` asked for is done
 * (`fault`: cannot be done). `cancel`, `pause`, `resume`: somebody wants it, who is named by `by`.
 */
export type RunEvent =
  | ({ type: 'agent-ready'; agentId: string; at: number } & Boot)
  | { type: 'agent-lost'; agentId: string; /** when it was last heard */ since: number; at: number }
  | {
      type: 'reported'
      agentId: string
      actionId: string
      /** the attempt that the agent was given; 0 when it does not say */
      attempt: number
      state: ReportedState
      message: string
      /** as in `Boot` */
      session?: string
      at: number
    }
  | { type: 'tick'; at: number }
  | { type: 'phoned-home'; at: number }
  | { type: ControlVerb; by: string; /** empty: none was given */ reason: string; at: number }
  | { type: 'netboot-set'; allowed: boolean; fault?: string; at: number }

/** What people may do to a run. */
export type ControlVerb = 'cancel' | 'pause' | 'resume'

/** What is to be done once the status is saved; doing it twice is harmless. */
export type RunCommand =
  | { type: 'run-action' }
  | { type: 'cancel-action' | 'pause-action'; agentId: string; actionId: string; reason: string }
  | { type: 'allow-netboot'; allowed: boolean }

/** `toggleAllowNetboot` as in spec.bootOptions. */
export type RunOptions = { toggleAllowNetboot: boolean }

export type Outcome = { status: RunStatus; commands: RunCommand[] }

/** The events of one type. */
export type Of<T extends RunEvent['type']> = Extract<RunEvent, { type: T }>
