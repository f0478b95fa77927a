/** What the program that plays the agents is told, line by line, and what it answers. */

export type Kind = 'own' | 'current' | 'legacy'

export type Fleet = {
  kind: Kind
  /** host:port of the server, and its CA where it is to be spoken to by TLS */
  place: string
  ca?: string
  /** calls that an agent makes on one connection beside others */
  perConnection: number
  agents: { agentId: string; token?: string }[]
  /** actions of each Workflow */
  actions: number
}

export type Order =
  /** Connects all of a fleet; answered when each is welcomed (own) or has asked for its action. */
  | { do: 'connect'; fleet: Fleet }
  /** Waits until so many agents have an action. */
  | { do: 'await-actions'; count: number }
  /** Reports on actions, so many agents at once, each as soon as its last report is answered. */
  | { do: 'report'; state: 'RUNNING' | 'SUCCESS'; seconds: number; atOnce: number; pids: number[] }
  /** Waits until each agent was told that the server goes away. */
  | { do: 'await-drain' }

/** Times are epoch ms, with parts. */
export type Answer = {
  at: number
  /** s that it took */
  seconds: number
  /** reports that were answered, from the best of those that did nothing but this: s of CPU of the server and the program */
  work?: number
  cpuSeconds?: number
  clientCpuSeconds?: number
  latency?: { n: number; p50: number; p99: number }
  /** agents whose Workflow came to its end */
  ended?: number
}
