import type { Action, ActionRun, Machine } from './action.ts'
import { inContainer } from './container.ts'
import { needed } from './environment.ts'

const own = ['IMAGE', 'WAIT_SECONDS', 'CONTAINER_RUNTIME', 'NERDCTL_NAMESPACE', 'NERDCTL_HOST']
const longestWait = 24 * 60 * 60

/**
 * Succeeds at once, and does the rest after a while: what ends this boot of the machine is done that way. Environment as
 * in waitdaemon: IMAGE, what to do; WAIT_SECONDS (10). All else goes on to that image. Where it is an action of the
 * agent's own that ends the boot by itself (kexec, reboot), that waits until the server knows of the success instead. Of
 * any other, the image is pulled first, so that a fault in that is told.
 * @param native finds the agent's own action for an image
 */
export function waitdaemon(native: (image: string) => Action | undefined): Action {
  return async (run, machine) => {
    const image = needed(run.environment, 'IMAGE', "an image's name")
    const seconds = Number(run.environment['WAIT_SECONDS'] || 10)
    if (!(seconds >= 0 && seconds <= longestWait))
      throw new Error(
        `WAIT_SECONDS is "${run.environment['WAIT_SECONDS']}": seconds expected, ${longestWait} at most`,
      )
    const inner = { ...run, image, environment: restOf(run), volumes: volumesOf(run) }
    const action = native(image)
    if (action) {
      run.log(`${image} is an action of this agent: it is done now, and what ends the boot after that`)
      return action(inner, machine)
    }
    return later(inner, machine, seconds)
  }
}

async function later(run: ActionRun, machine: Machine, seconds: number) {
  await inContainer(run, machine, (container) => container.runLater(seconds))
  return { message: `${run.image} starts in ${seconds} s` }
}

const restOf = ({ environment }: ActionRun) =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !own.includes(name)))

/** There is no Docker here to be spoken to. */
const volumesOf = ({ volumes }: ActionRun) =>
  volumes.filter((volume) => !/docker\.sock|containerd/.test(volume))
