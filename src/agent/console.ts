import { write, writeSync } from 'node:fs'

const held = 64 * 1024

/**
 * Lines for a console that may take ten kilobytes a second, or nothing at all: nobody waits for it. Of what it has not
 * taken, 64 KiB are held and the rest is left out, which it is told.
 * @param fd of a pipe, file or terminal
 */
export function createConsole(fd: number): { say(line: string): void; flush(): void } {
  let waiting: string[] = []
  let bytes = 0
  let leftOut = 0
  let busy = false

  const take = (): string => {
    const text = waiting.join('') + (leftOut ? `(${leftOut} lines left out)\n` : '')
    waiting = []
    bytes = 0
    leftOut = 0
    return text
  }

  const send = (rest: Buffer) => {
    busy = true
    write(fd, rest, 0, rest.length, null, (error, written) => {
      busy = false
      if (!error && written < rest.length) return send(rest.subarray(written))
      if (waiting.length > 0 || leftOut > 0) send(Buffer.from(take()))
    })
  }

  return {
    say: (line) => {
      if (bytes + line.length > held) return void leftOut++
      waiting.push(`${line}\n`)
      bytes += line.length + 1
      if (!busy) send(Buffer.from(take()))
    },
    /** what is held, before the process ends */
    flush: () => {
      if (waiting.length > 0 || leftOut > 0) writeSync(fd, take())
    },
  }
}
