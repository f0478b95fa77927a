import type { Registry } from 'prom-client'
import { createCounter, createGauge } from './figures.ts'

type Link = { mac: string }

/** The side of a desk that tells which agents there are. */
export type AgentDesk = {
  connect(link: never, hello: never): Promise<void>
  disconnect(link: never): void
}

/** Counts the sessions that a desk is told of. */
export function followAgents(registry: Registry): <Desk extends AgentDesk>(desk: Desk) => Desk {
  const links = new Set<Link>()
  const sessions = createCounter(registry, {
    name: 'ironwake_agent_sessions_total',
    help: 'Sessions of agents that were accepted.',
  })
  createGauge(
    registry,
    { name: 'ironwake_agent_streams', help: 'gRPC streams of agents that are open.' },
    () => [[[], links.size]],
  )
  createGauge(
    registry,
    { name: 'ironwake_agents_connected', help: 'Machines whose agent is connected.' },
    () => [[[], new Set([...links].map(({ mac }) => mac)).size]],
  )
  return (desk) => ({
    ...desk,
    connect(link: never, hello: never) {
      links.add(link)
      sessions.add([])
      return desk.connect(link, hello)
    },
    disconnect(link: never) {
      links.delete(link)
      desk.disconnect(link)
    },
  })
}
