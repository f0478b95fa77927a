import { messageOf } from '../model/error.ts'
import { cost, expressionName, isValueThenLiteral, methodTarget } from './callee.ts'
import type { Command, Expr, Node, Pipe, Program, Span } from './ast.ts'
import { TemplateFault } from './fault.ts'
import { printedText } from './format.ts'
import { callFunc } from './func.ts'
import type { FuncTable } from './func.ts'
import { ArgumentError, maxCallDepth, maxOutputBytes, maxSteps } from './limits.ts'
import { GoStruct, bytesOf, isTrue, sortedKeys, typeName } from './value.ts'
import type { Method, Value } from './value.ts'

/** `error`: asking a map for a key that it lacks is a fault; `default`: it yields no value. */
export type MissingKey = 'error' | 'default'

/** `maxMs`: the longest time it may take */
export type EvaluateOptions = { functions: FuncTable; missingKey: MissingKey; maxMs: number }

/**
 * Runs a parsed template (Go text/template) on `data`.
 * @throws TemplateFault
 */
export function evaluate(program: Program, data: Value, options: EvaluateOptions): string {
  return new Evaluator(program, options).run(data)
}

type Variable = { name: string; value: Value }
/** How a list of nodes ended: at its end, or by `{{break}}` or `{{continue}}`. */
type Flow = 'done' | 'break' | 'continue'

/** After so many steps the time is looked at. */
const stepsPerLook = 16

class Evaluator {
  readonly #program: Program
  readonly #functions: FuncTable
  readonly #missingKey: MissingKey
  readonly #out: string[] = []
  #variables: Variable[] = []
  #outBytes = 0
  #steps = 0
  #calls = 0
  #nextLook = 0
  readonly #maxMs: number
  readonly #deadline: number

  constructor(program: Program, { functions, missingKey, maxMs }: EvaluateOptions) {
    this.#program = program
    this.#functions = functions
    this.#missingKey = missingKey
    this.#maxMs = maxMs
    this.#deadline = performance.now() + maxMs
  }

  run(data: Value): string {
    this.#variables = [{ name: '$', value: data }]
    this.#walkAll(data, this.#program.body)
    return this.#out.join('')
  }

  #spend(node: Span, steps = 1): void {
    this.#steps += steps
    if (this.#steps > maxSteps)
      throw new TemplateFault(node, `the template takes more than ${maxSteps} steps`)
    if (this.#steps < this.#nextLook) return
    this.#nextLook = this.#steps + stepsPerLook
    if (performance.now() > this.#deadline)
      throw new TemplateFault(node, `the template takes longer than ${this.#maxMs} ms`)
  }

  #write(node: Span, text: string): void {
    this.#outBytes += bytesOf(text).length
    if (this.#outBytes > maxOutputBytes)
      throw new TemplateFault(node, `rendered template exceeds ${maxOutputBytes} bytes`)
    this.#out.push(text)
  }

  #walkAll(dot: Value, nodes: readonly Node[]): Flow {
    for (const node of nodes) {
      const flow = this.#walk(dot, node)
      if (flow !== 'done') return flow
    }
    return 'done'
  }

  #walk(dot: Value, node: Node): Flow {
    this.#spend(node)
    switch (node.type) {
      case 'text':
        this.#write(node, node.text)
        return 'done'
      case 'action':
        return this.#action(dot, node, node.pipe)
      case 'break':
      case 'continue':
        return node.type
      case 'template':
        return this.#template(dot, node, node.name, node.pipe)
      case 'range':
        return this.#scoped(() => this.#range(dot, node.pipe, node.body, node.otherwise ?? []))
      case 'if':
      case 'with':
        return this.#scoped(() => {
          const value = this.#pipe(dot, node.pipe)
          if (!isTrue(value)) return this.#walkAll(dot, node.otherwise ?? [])
          return this.#walkAll(node.type === 'with' ? value : dot, node.body)
        })
    }
  }

  /** Forgets the variables that `inner` declares. */
  #scoped(inner: () => Flow): Flow {
    const mark = this.#variables.length
    const flow = inner()
    this.#variables.length = mark
    return flow
  }

  #action(dot: Value, node: Span, pipe: Pipe): Flow {
    const value = this.#pipe(dot, pipe)
    if (pipe.variables.length === 0)
      this.#write(
        node,
        this.#guarded(pipe, () => printedText(value)),
      )
    return 'done'
  }

  #template(dot: Value, node: Span, name: string, pipe: Pipe | undefined): Flow {
    const body = this.#program.templates.get(name)
    if (!body) throw new TemplateFault(node, `template ${JSON.stringify(name)} not defined`)
    if (this.#calls >= maxCallDepth)
      throw new TemplateFault(node, `templates call each other deeper than ${maxCallDepth}`)
    const data = pipe ? this.#pipe(dot, pipe) : null
    const outer = this.#variables
    this.#variables = [{ name: '$', value: data }]
    this.#calls++
    this.#walkAll(data, body)
    this.#calls--
    this.#variables = outer
    return 'done'
  }

  #range(dot: Value, pipe: Pipe, body: readonly Node[], otherwise: readonly Node[]): Flow {
    const subject = this.#commands(dot, pipe)
    if (typeof subject === 'bigint' && pipe.variables.length > 1)
      throw new TemplateFault(pipe, `can't use ${subject} to iterate over more than one variable`)
    const entries = this.#entries(pipe, subject)
    let empty = true
    if (!pipe.assign) for (const name of pipe.variables) this.#variables.push({ name, value: subject })
    for (const [key, item] of entries) {
      empty = false
      this.#spend(pipe)
      const [first, second] = pipe.variables
      if (first !== undefined) this.#assign(pipe, first, second === undefined ? item : key)
      if (second !== undefined) this.#assign(pipe, second, item)
      if (this.#scoped(() => this.#walkAll(item, body)) === 'break') break
    }
    return empty ? this.#walkAll(dot, otherwise) : 'done'
  }

  /** Keys and items of what is ranged over; a whole number counts from 0. */
  *#entries(node: Span, value: Value): Generator<[Value, Value]> {
    if (value === null) return
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) yield [BigInt(i), item]
    } else if (value instanceof Map) {
      for (const key of sortedKeys(value)) yield [key, value.get(key) ?? null]
    } else if (typeof value === 'bigint') {
      for (let i = 0n; i < value; i++) yield [i, i]
    } else {
      throw new TemplateFault(node, `range can't iterate over ${typeName(value)}`)
    }
  }

  /** A pipeline's value, given also to the variables that it declares or assigns. */
  #pipe(dot: Value, pipe: Pipe): Value {
    const value = this.#commands(dot, pipe)
    for (const name of pipe.variables) {
      if (pipe.assign) this.#assign(pipe, name, value)
      else this.#variables.push({ name, value })
    }
    return value
  }

  #commands(dot: Value, pipe: Pipe): Value {
    let value: Value | undefined
    for (const command of pipe.commands) value = this.#command(dot, command, value)
    return value ?? null
  }

  #variable(node: Span, name: string): Variable {
    const found = this.#variables.findLast((variable) => variable.name === name)
    if (!found) throw new TemplateFault(node, `undefined variable ${name}`)
    return found
  }

  #assign(node: Span, name: string, value: Value): void {
    this.#variable(node, name).value = value
  }

  /** @param piped the value of the command before, which becomes the last argument */
  #command(dot: Value, command: Command, piped: Value | undefined): Value {
    const [first, ...args] = command.args
    if (!first) return null
    if (first.type === 'function') return this.#call(dot, command, first.name, args, piped)
    if (args.length === 0 && piped === undefined) return this.#expr(dot, first)
    return this.#method(dot, command, first, args, piped)
  }

  /** `.Method a b`: only the last name of a field, a variable's field or a chain takes arguments. */
  #method(dot: Value, node: Span, callee: Expr, args: readonly Expr[], piped: Value | undefined): Value {
    const target = methodTarget(callee)
    if (!target)
      throw new TemplateFault(node, `can't give argument to non-function ${expressionName(callee)}`)
    const receiver = this.#expr(dot, target.receiver)
    const method = receiver instanceof GoStruct ? receiver.behaviour?.methods.get(target.name) : undefined
    if (!method) {
      this.#field(node, receiver, target.name)
      throw new TemplateFault(node, `${target.name} has arguments but cannot be invoked as function`)
    }
    const values = args.map((arg) => this.#expr(dot, arg))
    if (piped !== undefined) values.push(piped)
    return this.#invoke(node, target.name, method, values)
  }

  #invoke(node: Span, name: string, method: Method, values: readonly Value[]): Value {
    if (values.length !== method.params) {
      const want = `want ${method.params} got ${values.length}`
      throw new TemplateFault(node, `wrong number of args for ${name}: ${want}`)
    }
    return this.#guarded(node, () => method.call(...values), `error calling ${name}: `)
  }

  #call(dot: Value, node: Span, name: string, args: readonly Expr[], piped: Value | undefined): Value {
    const named = this.#functions[name]
    const func = piped === undefined && isValueThenLiteral(args) ? (named?.literalLast ?? named) : named
    if (!func) throw new TemplateFault(node, `function ${JSON.stringify(name)} not defined`)
    if (name === 'and' || name === 'or') return this.#shortCircuit(dot, node, name, args, piped)
    const values = args.map((arg) => this.#expr(dot, arg))
    if (piped !== undefined) values.push(piped)
    this.#spend(
      node,
      values.reduce<number>((sum, value) => sum + cost(value), 1),
    )
    const spend = (steps: number) => this.#spend(node, steps)
    const result = this.#guarded(node, () => callFunc(func, values, spend), `error calling ${name}: `, args)
    this.#spend(node, cost(result))
    return result
  }

  /** Runs what may fail without knowing its place: that of one of `args`, or of `node`. */
  #guarded<T>(node: Span, run: () => T, prefix = '', args: readonly Span[] = []): T {
    try {
      return run()
    } catch (error) {
      if (error instanceof TemplateFault) throw error
      const place = error instanceof ArgumentError ? (args[error.index] ?? node) : node
      throw new TemplateFault(place, prefix + messageOf(error))
    }
  }

  #shortCircuit(
    dot: Value,
    node: Span,
    name: 'and' | 'or',
    args: readonly Expr[],
    piped: Value | undefined,
  ): Value {
    let value: Value | undefined
    for (const arg of args) {
      value = this.#expr(dot, arg)
      if (isTrue(value) === (name === 'or')) return value
    }
    const last = piped ?? value
    if (last === undefined)
      throw new TemplateFault(node, `wrong number of args for ${name}: want at least 1 got 0`)
    return last
  }

  #expr(dot: Value, expr: Expr): Value {
    this.#spend(expr)
    switch (expr.type) {
      case 'dot':
        return dot
      case 'nil':
        return null
      case 'constant':
        return expr.value
      case 'field':
        return this.#fields(expr, dot, expr.names)
      case 'variable':
        return this.#fields(expr, this.#variable(expr, expr.name).value, expr.fields)
      case 'function':
        return this.#call(dot, expr, expr.name, [], undefined)
      case 'pipe':
        return this.#pipe(dot, expr.pipe)
      case 'chain':
        return this.#fields(expr, this.#expr(dot, expr.base), expr.fields)
    }
  }

  #fields(node: Span, value: Value, names: readonly string[]): Value {
    return names.reduce((from, name) => this.#field(node, from, name), value)
  }

  #field(node: Span, value: Value, name: string): Value {
    if (value instanceof GoStruct) {
      const field = value.fields.get(name)
      if (field) return field.value
      const method = value.behaviour?.methods.get(name)
      if (method) return this.#invoke(node, name, method, [])
    } else if (value instanceof Map) {
      const item = value.get(name)
      if (item !== undefined) return item
      if (this.#missingKey === 'default') return null
      throw new TemplateFault(node, `map has no entry for key ${JSON.stringify(name)}`)
    } else if (value === null) {
      if (this.#missingKey === 'default') return null
      throw new TemplateFault(node, `nil pointer evaluating .${name}`)
    }
    throw new TemplateFault(node, `can't evaluate field ${name} in type ${typeName(value)}`)
  }
}
