import { Type } from 'typebox'
import type { Static } from 'typebox'
import { flag, text, textMap, texts } from './field.ts'
import type { KubeObject } from './object.ts'

const template = Type.Object(
  {
    agentValue: text('Name under which the Template finds the agent’s id.'),
    kvs: textMap('Further values for the Template.'),
    ref: text('Name of the Template.'),
  },
  { description: 'The Template of the Workflow and its values.' },
)

/** WorkflowRuleSet.spec (tinkerbell.org/v1alpha1): `rules` are JSON patterns, any of which may match. */
export const WorkflowRuleSetSpec = Type.Object(
  {
    rules: texts('JSON patterns over what an agent says of its machine. One that matches is enough.'),
    workflow: Type.Optional(
      Type.Object(
        {
          disabled: flag('Make the Workflow without running it.'),
          namespace: text('Namespace of the Workflow.'),
          addAttributes: flag('Note on the Workflow what the agent said of its machine.'),
          template: Type.Optional(template),
        },
        { description: 'The Workflow that a machine gets.' },
      ),
    ),
  },
  { description: 'Which machines get which Workflow.' },
)

export const WorkflowRuleSetStatus = Type.Object({}, { description: 'Nothing yet.' })

export type WorkflowRuleSetSpec = Static<typeof WorkflowRuleSetSpec>
export type WorkflowRuleSetStatus = Static<typeof WorkflowRuleSetStatus>
export type WorkflowRuleSet = KubeObject<WorkflowRuleSetSpec, WorkflowRuleSetStatus>
