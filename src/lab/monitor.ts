import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** QEMU opens its monitor a moment after it starts. */
const tries = 200
const pauseMs = 100
const prompt = '(qemu) '

/**
 * Says something to QEMU's monitor as soon as there is one. A machine that has just gone off does not mind.
 * @returns whether all of it was taken
 */
export async function command(monitorPath: string, words: readonly string[]): Promise<boolean> {
  for (let tried = 1; ; tried += 1) {
    const socket = connect(monitorPath)
    if (await isReady(socket)) return say(socket, words)
    if (tried === tries) return false
    await sleep(pauseMs)
  }
}

async function say(socket: Socket, words: readonly string[]): Promise<boolean> {
  for (const word of words) {
    const done = isReady(socket)
    socket.write(`${word}\n`)
    if (!(await done)) return false
  }
  socket.destroy()
  return true
}

/** Waits until it asks for a command: only then it has carried out the one before. */
const isReady = (socket: Socket): Promise<boolean> =>
  new Promise((resolve) => {
    let said = ''
    const listen = (text: Buffer) => {
      said += text.toString('latin1')
      if (!said.endsWith(prompt)) return
      socket.off('data', listen)
      resolve(true)
    }
    socket.on('data', listen)
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
