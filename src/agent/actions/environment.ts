type Environment = Readonly<Record<string, string>>

/** Whether a setting of an action is switched on, with the words that Tinkerbell's actions take for it. */
export const isTrue = (text: string | undefined) => /^(1|t|true)$/i.test(text ?? '')

/** @throws Error when the setting is no http or https URL */
export function httpUrl(environment: Environment, name: string): string {
  const url = environment[name] ?? ''
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url
  throw new Error(`${name} is "${url}": an http or https URL expected`)
}

/** @throws Error when the setting is missing. @param expected what it should be, for people */
export function needed(environment: Environment, name: string, expected: string): string {
  const value = environment[name]
  if (!value) throw new Error(`${name} is not set: ${expected} expected`)
  return value
}

/** @throws Error when the setting names no file system. @param otherwise when it is not set */
export function fileSystem(environment: Environment, otherwise = ''): string {
  const name = environment['FS_TYPE'] || otherwise
  if (/^[\w.-]+$/.test(name)) return name
  throw new Error(`FS_TYPE is "${name}": a file system such as ext4 expected`)
}

/**
 * How long a download that makes no progress is tried, in ms: RETRY_DURATION_MINUTES (10) with RETRY_ENABLED, else two
 * minutes.
 * @throws Error when that is no number
 */
export function patienceOf(environment: Environment): number {
  const minutes = isTrue(environment['RETRY_ENABLED'])
    ? Number(environment['RETRY_DURATION_MINUTES'] || 10)
    : 2
  if (minutes >= 0) return minutes * 60_000
  throw new Error(`RETRY_DURATION_MINUTES is "${environment['RETRY_DURATION_MINUTES']}": a number expected`)
}
