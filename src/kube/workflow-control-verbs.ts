/** What may be done to a Workflow, each a subresource of it that is posted to. */
export const controlVerbs = ['cancel', 'pause', 'resume', 'retry', 'restart'] as const
export type ControlVerb = (typeof controlVerbs)[number]
