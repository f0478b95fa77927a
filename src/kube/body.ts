import { isScalar, parseDocument, visit } from 'yaml'
import type { Pair } from 'yaml'
import { AppError, messageOf } from '../model/error.ts'
import { maxDepth, nestsDeeperThan } from '../store/json.ts'
import type { KubeApp, Request } from './app.ts'

type Done = (error: Error | null, value?: unknown) => void
type Parser = (request: Request, body: string, done: Done) => void

/** YAML takes long to parse: larger bodies must be JSON, which the YAML types take too. Bytes. */
const maxYaml = 128 * 1024

/**
 * Bodies of every type that routes take: JSON and YAML are parsed, CSV is text. An empty body is no body, which some
 * clients send with a DELETE. `request.bodyText` keeps the text of a JSON body, in which repeated fields can be seen.
 */
export function parseBodies(app: KubeApp): void {
  app.removeAllContentTypeParsers()
  app.decorateRequest('bodyText', undefined)
  // Refuses `__proto__` and `constructor.prototype`; its declared type knows only plain HTTP servers.
  const json = app.getDefaultJsonParser('error', 'error') as unknown as Parser
  const add = (type: RegExp, parse: Parser) =>
    app.addContentTypeParser<Buffer>(type, { parseAs: 'buffer' }, (request, body, done) => {
      const text = utf8(body)
      if (text === undefined) return done(new AppError('BadRequest', 'the request body is not UTF-8'))
      if (text.length === 0) return done(null, undefined)
      return parse(request, text, done)
    })
  const parseJson: Parser = (request, text, done) => {
    request.bodyText = text
    json(request, text, (error, value) => {
      if (error) return done(new AppError('BadRequest', `the request body is not JSON: ${error.message}`))
      return done(...checkedDepth(value))
    })
  }
  const parseYaml: Parser = (request, text, done) => {
    if (/^\s*[{[]/.test(text)) return parseJson(request, text, done)
    try {
      return parseJson(request, yamlToJson(text), done)
    } catch (error) {
      return done(error as Error)
    }
  }
  add(/^application\/json(;|$)/, parseJson)
  add(/^application\/[a-z-]+\+json(;|$)/, parseJson)
  add(/^application\/([a-z-]+\+)?yaml(;|$)/, parseYaml)
  add(/^text\/(csv|plain)(;|$)/, (_request, text, done) => done(null, text))
}

function utf8(body: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    return undefined
  }
}

function checkedDepth(value: unknown): Parameters<Done> {
  if (!nestsDeeperThan(value, maxDepth + 1)) return [null, value]
  return [new AppError('BadRequest', `the request body is nested deeper than ${maxDepth} levels`)]
}

/** One YAML document as JSON text. @throws AppError BadRequest, TooLarge */
function yamlToJson(text: string): string {
  if (text.length > maxYaml)
    throw new AppError('TooLarge', `YAML of ${text.length} bytes, expected at most ${maxYaml}, or JSON`)
  try {
    // Its own check for repeated keys compares each with each.
    const document = parseDocument(text, { prettyErrors: false, logLevel: 'silent', uniqueKeys: false })
    const [fault] = document.errors
    if (fault) throw fault
    visit(document, { Map: (_key, { items }) => refuseRepeated(items) })
    return JSON.stringify(document.toJS({ maxAliasCount: 100 }) ?? null)
  } catch (error) {
    throw new AppError('BadRequest', `the request body is not YAML: ${messageOf(error)}`)
  }
}

function refuseRepeated(items: readonly Pair[]): void {
  const seen = new Set<string>()
  for (const { key } of items) {
    const name = isScalar(key) ? String(key.value) : ''
    if (seen.has(name)) throw new Error(`key "${name}" is there twice`)
    seen.add(name)
  }
}
