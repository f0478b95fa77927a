/** Lets what comes through pass, or holds it. Open at first. */
export class Gate {
  #isOpen = true
  readonly #waiting = new Set<() => void>()

  get isOpen(): boolean {
    return this.#isOpen
  }

  close(): void {
    this.#isOpen = false
  }

  open(): void {
    this.#isOpen = true
    for (const wake of this.#waiting) wake()
  }

  /** Resolves once it is open. @throws the signal's reason */
  async passed(signal: AbortSignal): Promise<void> {
    while (!this.#isOpen) {
      signal.throwIfAborted()
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        this.#waiting.add(wake)
        signal.addEventListener('abort', wake, { once: true })
      })
    }
    signal.throwIfAborted()
  }
}
