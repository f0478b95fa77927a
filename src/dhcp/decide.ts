import type { Machine } from '../model/machine.ts'
import { decidePool } from './pool.ts'
import { decideProxy } from './proxy.ts'
import type { Query } from './query.ts'
import { silent } from './reply.ts'
import type { DhcpContext, Reply } from './reply.ts'
import { decideReservation } from './reservation.ts'

export type { Destination, DhcpContext, DhcpMode, Reply, Silence } from './reply.ts'

/**
 * The answer to a query, by the server's mode. A machine that has no address of its own (it is unknown, or its Hardware
 * names none) gets one of the pool, where there is a pool; else it is left to other servers.
 */
export function decide(query: Query, machine: Machine | undefined, context: DhcpContext): Reply {
  if (context.mode !== undefined && context.mode !== 'reservation')
    return decideProxy(query, machine, context)
  const { pool } = context
  if (machine && (!pool || machine.ip !== undefined || machine.dhcpDisabled))
    return decideReservation(query, machine, context)
  return pool ? decidePool(query, machine, pool, context) : silent('unknown-machine')
}
