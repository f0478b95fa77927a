import { execFile } from 'node:child_process'

/** A program ended with another code than 0. `said` is its last output line. */
export class CommandFault extends Error {
  readonly said: string
  constructor(command: string, said: string, cause: unknown) {
    super(`${command}: ${said}`, { cause })
    this.said = said
  }
}

/** Programs of the netboot OS. */
export type Commands = {
  /**
   * Runs a program to its end, without a shell.
   * @throws CommandFault when it ends with another code than 0
   */
  run(program: string, args: readonly string[], signal?: AbortSignal): Promise<string>
}

export const systemCommands: Commands = {
  run: (program, args, signal) =>
    new Promise((resolve, reject) => {
      const options = { maxBuffer: 4 << 20, timeout: 120_000, ...(signal && { signal }) }
      execFile(program, [...args], options, (error, stdout, stderr) => {
        if (!error) return resolve(stdout)
        const said = (stderr.trim() || stdout.trim()).split('\n').at(-1) || error.message
        reject(new CommandFault([program, ...args].join(' '), said, error))
      })
    }),
}
