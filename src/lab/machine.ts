import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, createWriteStream, existsSync, truncateSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../model/error.ts'
import { command } from './monitor.ts'
import type { LabNetwork } from './netns.ts'
import { cableOf, firmwareImages, qemuArguments, qemuProgram, secondSerialAddress } from './qemu.ts'
import type { Accelerator, Card, Firmware, SerialConsole } from './qemu.ts'
import { cleanLine, cutLines, formatLine } from './serial.ts'
import type { SerialLine } from './serial.ts'

/** `model`: QEMU's name, virtio when left out; `isUnplugged`: its cable is out. */
export type CardOptions = { mac: string; model?: string; isUnplugged?: boolean }

export type MachineOptions = {
  name: string
  firmware: Firmware
  /** lower case with colons */
  mac: string
  /** its network cards in the order in which its firmware tries them; one with `mac` when left out */
  cards?: readonly CardOptions[]
  /** the serial port that it has; a machine with `ttyS1` has no other (BIOS only). `ttyS0` when left out */
  console?: SerialConsole['port']
  /** where its disk, firmware variables and console logs are kept; exists */
  dir: string
  accelerator: Accelerator
  memoryMib?: number
  /** size of its blank disk; a disk that is there already is kept */
  diskMib?: number
  /** the UEFI variables that it begins with (the firmware's usual ones) */
  varsTemplate?: string
  /** further arguments of QEMU */
  more?: readonly string[]
  /** called with each console line as it comes */
  onLine?: (line: SerialLine) => void
}

/** An emulated machine that tries the network first and its disk second, like a rack machine set up for PXE. */
export type LabMachine = AsyncDisposable & {
  readonly name: string
  readonly mac: string
  readonly diskPath: string
  readonly logPath: string
  /** what its console showed since it was last powered on; the newest 5000 lines */
  readonly lines: readonly SerialLine[]
  powerOn(): Promise<void>
  /** Cuts the power. */
  powerOff(): Promise<void>
  /** Presses the power button and waits until the system has shut down; cuts the power after `timeoutMs`. */
  shutDown(timeoutMs: number): Promise<'clean' | 'cut'>
  running(): boolean
  /** Types on its console. */
  type(text: string): void
  /** The first console line since power-on that matches, shown already or yet to come. @throws AppError Timeout */
  waitForLine(pattern: RegExp, timeoutMs: number): Promise<SerialLine>
}

const keptLines = 5000
/** A login prompt ends without a line end: what stays unfinished this long is taken as a line. */
const unfinishedMs = 300
/** A system that is not yet up far enough does not see the power button. */
const pressAgainMs = 15_000

/** Puts a machine on the network, switched off. */
export async function createMachine(network: LabNetwork, options: MachineOptions): Promise<LabMachine> {
  const { name, dir, mac } = options
  const diskPath = join(dir, `${name}.raw`)
  const logPath = join(dir, `${name}.serial.log`)
  if (!existsSync(diskPath)) {
    writeFileSync(diskPath, '')
    truncateSync(diskPath, (options.diskMib ?? 2048) * 2 ** 20)
  }
  const varsPath = join(dir, `${name}.vars`)
  if (options.firmware !== 'bios' && !existsSync(varsPath))
    copyFileSync(options.varsTemplate ?? firmwareImages[options.firmware].vars, varsPath)
  const monitorPath = join(dir, `${name}.monitor`)
  const wanted = options.cards ?? [{ mac }]
  const unplugged = wanted.flatMap(({ isUnplugged }, index) => (isUnplugged ? [cableOf(index)] : []))
  const cards: Card[] = []
  for (const card of wanted)
    cards.push({ model: card.model ?? 'virtio-net-pci', mac: card.mac, tap: await network.addTap() })
  const argv = qemuArguments({
    ...options,
    memoryMib: options.memoryMib ?? 1024,
    cpus: Math.min(2, availableParallelism()),
    cards,
    isHalted: unplugged.length > 0,
    serial: serialOf(options),
    diskPath,
    varsPath,
    monitorPath,
  })

  let child: ChildProcess | undefined
  let closed: Promise<unknown> = Promise.resolve()
  const lines: SerialLine[] = []
  const listeners = new Set<(line: SerialLine) => void>()

  const powerOff = async () => {
    child?.kill('SIGKILL')
    await closed
  }
  return {
    name,
    mac,
    diskPath,
    logPath,
    lines,
    async powerOn() {
      if (child) throw new AppError('FailedPrecondition', `machine ${name} is already on`)
      lines.length = 0
      const [program, args] = network.inside([qemuProgram(options.firmware), ...argv])
      const started = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
      child = started
      const log = createWriteStream(logPath, { flags: 'a' })
      const emit = (line: SerialLine) => {
        if (lines.push(line) > keptLines) lines.shift()
        log.write(`${formatLine(line)}\n`)
        options.onLine?.(line)
        for (const listener of listeners) listener(line)
      }
      started.stdin?.on('error', () => undefined)
      readConsole(started, emit)
      closed = once(started, 'close').then(() => {
        child = undefined
        log.end()
      })
      await once(started, 'spawn')
      if (unplugged.length > 0) await pullCables(options, monitorPath, unplugged)
    },
    powerOff,
    async shutDown(timeoutMs) {
      const deadline = Date.now() + timeoutMs
      while (child && Date.now() < deadline) {
        await command(monitorPath, ['system_powerdown'])
        await Promise.race([closed, sleep(pressAgainMs, undefined, { ref: false })])
      }
      const how = child ? 'cut' : 'clean'
      await powerOff()
      return how
    },
    running: () => child !== undefined,
    type: (text) => void child?.stdin?.write(text),
    waitForLine: (pattern, timeoutMs) => awaitLine(name, lines, listeners, pattern, timeoutMs),
    [Symbol.asyncDispose]: powerOff,
  }
}

function serialOf({ name, dir, console }: MachineOptions): SerialConsole {
  if (console !== 'ttyS1') return { port: 'ttyS0', otherPath: join(dir, `${name}.ttyS1.log`) }
  const addressPath = join(dir, `${name}.serial-address`)
  writeFileSync(addressPath, secondSerialAddress)
  return { port: 'ttyS1', addressPath }
}

/** Lets a halted machine go on without these cables. @throws AppError Unavailable when it has no monitor */
async function pullCables(
  { name }: MachineOptions,
  monitorPath: string,
  cables: readonly string[],
): Promise<void> {
  if (await command(monitorPath, [...cables.map((cable) => `set_link ${cable} off`), 'cont'])) return
  throw new AppError('Unavailable', `machine ${name}: QEMU has not opened its monitor ${monitorPath}`)
}

/** Cuts standard output (the console) and standard error (QEMU itself) into lines. */
function readConsole(child: ChildProcess, emit: (line: SerialLine) => void): void {
  const start = process.hrtime.bigint()
  const at = () => Number(process.hrtime.bigint() - start) / 1e9
  let rest = ''
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    const text = cleanLine(rest)
    rest = ''
    if (text !== '') emit({ at: at(), text })
  }
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    clearTimeout(timer)
    const cut = cutLines(rest, chunk)
    rest = cut.rest
    for (const text of cut.lines) emit({ at: at(), text })
    timer = setTimeout(flush, unfinishedMs).unref()
  })
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    for (const text of cutLines('', `${chunk}\n`).lines) emit({ at: at(), text: `qemu: ${text}` })
  })
  child.on('error', (error) => emit({ at: at(), text: `qemu: ${error.message}` }))
  child.once('close', flush)
}

function awaitLine(
  name: string,
  lines: readonly SerialLine[],
  listeners: Set<(line: SerialLine) => void>,
  pattern: RegExp,
  timeoutMs: number,
): Promise<SerialLine> {
  const seen = lines.find((line) => pattern.test(line.text))
  if (seen) return Promise.resolve(seen)
  return new Promise((resolve, reject) => {
    const listener = (line: SerialLine) => {
      if (!pattern.test(line.text)) return
      done()
      resolve(line)
    }
    const done = () => {
      clearTimeout(timer)
      listeners.delete(listener)
    }
    const timer = setTimeout(() => {
      done()
      const last = lines.at(-1)?.text ?? 'nothing'
      reject(
        new AppError(
          'Timeout',
          `machine ${name}: no console line ${pattern} in ${timeoutMs} ms; last: ${last}`,
        ),
      )
    }, timeoutMs)
    listeners.add(listener)
  })
}
