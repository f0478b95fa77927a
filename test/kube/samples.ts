import { apiVersionOf, kinds } from '../../src/model/kinds.ts'
import type { KindName } from '../../src/model/kinds.ts'
import type { NewObject } from '../../src/model/object.ts'
import { hardware } from './server.ts'

/** Annotation with the number of the write that made an object what it is. */
export const markAnnotation = 'example.org/mark'

const mac = '52:54:00:00:03:01'
const connection = { host: '127.0.0.1', port: 1, insecureTLS: true }
const template = (mark: number) => `version: "0.1"
name: sample
global_timeout: 60
tasks:
- name: install
  worker: "{{.device_1}}"
  actions:
  - { name: "turn ${mark}", image: quay.io/tinkerbell/actions/oci2disk, timeout: 60 }
`

/** Content of an object of each kind that is another one for every `mark`. */
const contents: Record<KindName, (mark: number) => object> = {
  Hardware: (mark) => ({ spec: { ...hardware('sample', {}, mac).spec, userData: `turn ${mark}` } }),
  Template: (mark) => ({ spec: { data: template(mark) } }),
  Workflow: (mark) => ({
    spec: { templateRef: 'a', hardwareRef: 'a', hardwareMap: { device_1: mac, turn: String(mark) } },
  }),
  WorkflowRuleSet: (mark) => ({ spec: { rules: [`{"turn": ["${mark}"]}`], workflow: { disabled: true } } }),
  Machine: (mark) => ({ spec: { connection: { ...connection, host: `127.0.0.${1 + (mark % 250)}` } } }),
  Job: (mark) => ({ spec: { machineRef: { name: `m${mark}` }, tasks: [{ powerAction: 'status' }] } }),
  Task: (mark) => ({
    spec: {
      task: { powerAction: 'status' },
      connection: { ...connection, host: `127.0.0.${1 + (mark % 250)}` },
    },
  }),
  Secret: (mark) => ({ data: { turn: Buffer.from(String(mark)).toString('base64') } }),
  Namespace: () => ({}),
  Event: (mark) => ({
    involvedObject: { kind: 'Hardware', name: 'a', namespace: 'ns1' },
    reason: 'Turned',
    type: 'Normal',
    count: mark,
  }),
}

/** A new object of `kind`, or what an object of that kind becomes. */
export function sample(kind: KindName, name: string, mark: number, finalizers: string[] = []): NewObject {
  const metadata = {
    name: nameOf(kind, name),
    ...(kinds[kind].namespaced ? { namespace: 'ns1' } : {}),
    annotations: { [markAnnotation]: String(mark) },
    ...(finalizers.length > 0 ? { finalizers } : {}),
  } as NewObject['metadata']
  return { apiVersion: apiVersionOf(kind), kind, metadata, ...contents[kind](mark) }
}

/** Names of Namespaces are not those of the others' namespace. */
export const nameOf = (kind: KindName, name: string) => (kind === 'Namespace' ? `space-${name}` : name)
