import { AppError } from '../model/error.ts'
import type { KindInfo } from '../model/kinds.ts'
import type { KubeObject } from '../model/object.ts'
import type { Workflow } from '../model/workflow.ts'
import { withStates } from '../model/workflow-state.ts'
import type { Reply, Request } from './app.ts'
import type { ControlVerb } from './workflow-control-verbs.ts'
import { isSet, parameter } from './options.ts'
import { renderObject } from './representation.ts'
import type { Representation } from './representation.ts'
import { placeOf, queryOf, shapeOf } from './request.ts'
import type { ResourceDeps } from './resources.ts'
import { isJson } from './validate.ts'
import { makeAgain } from './workflow-control-again.ts'

/** The engine, as far as people may steer it. */
export type WorkflowControl = {
  /**
   * @param by who wants it
   * @param reason why; may be empty
   * @throws AppError NotFound, Conflict
   */
  control(
    ref: { namespace: string; name: string },
    verb: 'cancel' | 'pause' | 'resume',
    by: string,
    reason: string,
  ): Promise<Workflow>
  /** what a Workflow waits for behind others of its machine */
  turnOf(workflow: Workflow): { ahead: number; after: { namespace: string; name: string } } | undefined
}

const longestReason = 500

/** POST on one of these subresources; the optional body is `{"reason": "…"}`. Answers with the Workflow that there is then. */
export async function controlWorkflow(
  deps: ResourceDeps,
  info: KindInfo,
  verb: ControlVerb,
  request: Request,
  reply: Reply,
): Promise<unknown> {
  const shape = shapeOf(request)
  const reason = reasonIn(request.body)
  if (parameter(queryOf(request), 'dryRun') !== undefined || isSet(queryOf(request), 'dryRun'))
    throw new AppError('BadRequest', `dryRun: ${verb} cannot be tried without being done`)
  const found =
    verb === 'retry' || verb === 'restart'
      ? await makeAgain(deps, info, verb, reason, request, reply)
      : await steer(deps, verb, reason, request)
  return renderObject(shape, info, found, deps.clock.now())
}

async function steer(
  { workflows, workflowStates }: ResourceDeps,
  verb: 'cancel' | 'pause' | 'resume',
  reason: string,
  request: Request,
): Promise<KubeObject> {
  if (!workflows) throw new AppError('Unavailable', 'this server runs no Workflows')
  const by = request.caller?.user ?? 'unknown'
  return withStates(await workflows.control(placeOf(request), verb, by, reason), workflowStates)
}

/** @throws AppError BadRequest */
function reasonIn(body: unknown): string {
  if (body === undefined || body === null) return ''
  const { reason = '', ...rest } = isJson(body) ? body : { reason: body }
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined)
    throw new AppError(
      'BadRequest',
      `the body has the field "${unknown.slice(0, 100)}", expected reason alone`,
    )
  if (typeof reason === 'string' && reason.length <= longestReason) return reason
  const expected = `expected {"reason": "text of at most ${longestReason} characters"}`
  throw new AppError('BadRequest', `the body is ${JSON.stringify(body).slice(0, 100)}, ${expected}`)
}

const column = 'Queue'

/** Fills the column of a Table that tells which Workflows wait for others. */
export function withTurns<T extends object>(
  deps: Pick<ResourceDeps, 'workflows'>,
  info: KindInfo,
  shape: Representation,
  items: readonly KubeObject[],
  rendered: T,
): T {
  const { workflows } = deps
  if (!workflows || shape.as !== 'table' || info.kind !== 'Workflow') return rendered
  const place = info.columns.findIndex(({ name }) => name === column)
  const { rows } = rendered as unknown as { rows: { cells: unknown[] }[] }
  const filled = rows.map((row, at) => {
    const turn = workflows.turnOf(items[at] as Workflow)
    if (!turn) return row
    const { namespace, name } = turn.after
    return { ...row, cells: row.cells.with(place, `${turn.ahead + 1}, after ${namespace}/${name}`) }
  })
  return { ...rendered, rows: filled }
}
