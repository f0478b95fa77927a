import { execFile } from 'node:child_process'

/** Programs of the netboot OS. */
export type Commands = {
  /**
   * Runs a program to its end, without a shell.
   * @throws Error with the program's last output line when it ends with another code than 0
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
        reject(new Error(`${[program, ...args].join(' ')}: ${said}`, { cause: error }))
      })
    }),
}
