import { status } from '@grpc/grpc-js'
import type { Logger } from '../log.ts'
import type { RunAction } from '../model/agent-protocol.ts'
import type { Clock } from '../model/clock.ts'
import type { Machine } from '../model/machine.ts'
import type { RecordStage } from '../timeline/stage.ts'
import type { AgentHello, AgentLink, Desk } from '../workflow/link.ts'
import { admit } from './admit.ts'
import type { Admission, Admitted, Roster } from './admit.ts'
import { createAsking } from './asking.ts'
import type { Asking, NoAction } from './asking.ts'
import type { Connection } from './connections.ts'
import type { Discoverer } from './discoverer.ts'
import { createPace } from './pace.ts'
import type { Pace } from './pace.ts'
import { Refusal } from './refusal.ts'

/** An agent that makes single calls, as long as its connection stands. */
export type Caller = {
  machine: Machine
  link: AgentLink
  /** what the agent calls itself */
  agentId: string
  /** Waits for an action; while another connection of this machine runs one, there is none. */
  ask(holdMs: number, signal: AbortSignal): Promise<RunAction | NoAction>
  /** notes that this connection runs an action */
  begin(actionId: string): void
  /** notes that the action runs no more, whoever ran it */
  end(actionId: string): void
}

export type CallersDeps = {
  engine: Pick<Desk, 'connect' | 'disconnect' | 'ready'>
  admission: Admission
  roster: Roster
  /** whether the roster is in step with the store */
  ready(): boolean
  discovery?: Discoverer | undefined
  record: RecordStage
  clock: Clock
  log: Pick<Logger, 'info' | 'warn'>
}

export type Callers = {
  /**
   * @param attributes what the call says of its machine, as decoded
   * @throws Refusal PERMISSION_DENIED: not admitted; UNAVAILABLE: machines are not known yet; AppError of the desk
   */
  enter(
    connection: Connection,
    agentId: string,
    hello: Omit<AgentHello, 'actionId'>,
    attributes?: unknown,
  ): Promise<Caller>
  /**
   * The machine that calls over this connection, where its call does not tell: the one that has called before, the one
   * that has the address, or where that does not count, the one that `agentId` names.
   */
  machineOf(connection: Connection, agentId: string | undefined): Machine | undefined
  /** what the agent of this machine calls itself over this connection, as far as it has said */
  nameOf(connection: Connection, machine: Machine): string
  /** Lets go of those that wait, and of those who ask from now on. */
  drain(): void
}

type Entry = { caller: Caller; asking: Asking<RunAction>; isClosed(): boolean; connected: Promise<void> }
/** `isRefused`: that an agent was refused here is in the log */
type Room = { pace: Pace; entries: Map<string, Entry>; isRefused: boolean }

/** The agents of Tinkerbell by their connections. One that runs an action keeps others of its machine from getting it too. */
export function createCallers(deps: CallersDeps): Callers {
  const { engine, clock, record, log } = deps
  const rooms = new Map<Connection, Room>()
  const busy = createBusy()
  let isDraining = false

  const roomOf = (connection: Connection): Room => {
    const found = rooms.get(connection)
    if (found) return found
    const room: Room = { pace: createPace(clock), entries: new Map(), isRefused: false }
    rooms.set(connection, room)
    connection.onClose(() => {
      rooms.delete(connection)
      for (const [key, { caller, asking }] of room.entries) {
        asking.end('gone')
        busy.leave(key, connection)
        engine.disconnect(caller.link)
      }
    })
    return room
  }

  const identify = async (
    room: Room,
    connection: Connection,
    agentId: string,
    attributes: unknown,
  ): Promise<Machine> => {
    if (!deps.ready()) throw new Refusal(status.UNAVAILABLE, 'the server is starting')
    const admitted = admit(deps.admission, deps.roster, agentId, connection.address)
    if ('machine' in admitted) return admitted.machine
    const { address } = connection
    const unknown = { agentId, address, attributes, admission: deps.admission }
    const found = await deps.discovery?.unknown(unknown)
    if (found) return found
    const { refused, why, of } = admitted
    if (of) record(of.mac, 'agent-rejected', { why, ip: connection.address })
    if (!room.isRefused) log.warn({ from: connection.address, why: refused }, 'agent of Tinkerbell refused')
    room.isRefused = true
    throw new Refusal(status.PERMISSION_DENIED, refused)
  }

  const open = (
    connection: Connection,
    machine: Machine,
    agentId: string,
    hello: Omit<AgentHello, 'actionId'>,
  ): Entry => {
    const key = keyOf(machine)
    let isClosed = false
    const asking: Asking<RunAction> = createAsking(clock, () => engine.ready(link))
    const link: AgentLink = {
      agentId,
      mac: machine.mac,
      bootId: '',
      send: (command) => command.type === 'run-action' && asking.give(command),
      close: () => {
        isClosed = true
        asking.end('taken-over')
      },
      calls: { session: connection.id, isAlive: connection.isOpen, isAsking: asking.isAsking },
    }
    const ask: Caller['ask'] = async (holdMs, signal) => {
      if (isDraining) return 'draining'
      if (!(await busy.free(key, connection, holdMs, clock, signal))) return 'none'
      return isDraining ? 'draining' : asking.ask(holdMs, signal)
    }
    const begin = (actionId: string) => busy.begin(key, connection, actionId)
    const end = (actionId: string) => busy.end(key, actionId)
    const connected = engine.connect(link, { ...hello, actionId: '' }).catch((error: unknown) => {
      isClosed = true
      engine.disconnect(link)
      throw error
    })
    const caller = { machine, link, agentId, ask, begin, end }
    return { caller, asking, isClosed: () => isClosed, connected }
  }

  return {
    enter: async (connection, agentId, hello, attributes) => {
      const room = roomOf(connection)
      await room.pace()
      if (!connection.isOpen()) throw new Refusal(status.UNAVAILABLE, 'the connection is closed')
      const machine = await identify(room, connection, agentId, attributes)
      await deps.discovery?.seen(machine, attributes)
      connection.know()
      const key = keyOf(machine)
      const there = room.entries.get(key)
      const entry = there && !there.isClosed() ? there : open(connection, machine, agentId, hello)
      room.entries.set(key, entry)
      await entry.connected
      return entry.caller
    },
    machineOf: (connection, agentId) => {
      const { admission, roster } = deps
      const named = agentId === undefined ? undefined : roster.machineByAgent(agentId)
      const entry = named && rooms.get(connection)?.entries.get(keyOf(named))
      const asked = admission === 'id' ? agentId : undefined
      return entry?.caller.machine ?? known(admit(admission, roster, asked, connection.address))
    },
    nameOf: (connection, machine) =>
      rooms.get(connection)?.entries.get(keyOf(machine))?.caller.agentId ?? machine.agentId,
    drain: () => {
      isDraining = true
      for (const { entries } of rooms.values())
        for (const { asking } of entries.values()) asking.end('draining')
    },
  }
}

const known = (admitted: Admitted) => ('machine' in admitted ? admitted.machine : undefined)

const keyOf = (machine: Machine) => machine.macs[0] ?? machine.mac

/** Which connection runs which action of which machine. */
function createBusy() {
  const owners = new Map<string, { connection: Connection; actionId: string }>()
  const waiting = new Map<string, Set<() => void>>()
  const isFree = (key: string, connection: Connection) =>
    (owners.get(key)?.connection ?? connection) === connection
  const free = (key: string) => {
    owners.delete(key)
    for (const wake of waiting.get(key) ?? []) wake()
  }
  return {
    begin: (key: string, connection: Connection, actionId: string) =>
      void owners.set(key, { connection, actionId }),
    end: (key: string, actionId: string) => {
      if (owners.get(key)?.actionId === actionId) free(key)
    },
    leave: (key: string, connection: Connection) => {
      if (owners.get(key)?.connection === connection) free(key)
    },
    /** @returns whether no other connection is busy for it, within `holdMs` */
    free: async (key: string, connection: Connection, holdMs: number, clock: Clock, signal: AbortSignal) => {
      if (isFree(key, connection)) return true
      const stop = new AbortController()
      const wake = () => isFree(key, connection) && stop.abort()
      const group = waiting.get(key) ?? new Set()
      waiting.set(key, group.add(wake))
      await clock.sleep(holdMs, AbortSignal.any([signal, stop.signal]))
      group.delete(wake)
      if (group.size === 0) waiting.delete(key)
      return isFree(key, connection) && !signal.aborted
    },
  }
}
