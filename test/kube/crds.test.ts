import { readFile, readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { crdFile, customKinds } from '../../src/kube/crd.ts'
import { crdText } from '../../src/kube/crd-text.ts'
import { kinds } from '../../src/model/kinds.ts'

type Body = Record<string, any>

const folder = fileURLToPath(new URL('../../deploy/crds', import.meta.url))
const read = (file: string) => readFile(`${folder}/${file}`, 'utf8')

t.test('there is a file for every kind that a cluster may hold itself, and no other', async (t) => {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.yaml'))
  t.same(files.toSorted(), customKinds.map(crdFile).toSorted())
  t.equal(files.length, 7)
})

for (const info of customKinds) {
  const file = crdFile(info)
  t.test(`${file} is what the schemas say: \`npm run crds\` makes it so`, async (t) =>
    t.equal(await read(file), crdText(info)),
  )

  t.test(`${file} is a definition that an API server takes`, async (t) => {
    const crd: Body = parse(await read(file), { version: '1.1' })
    t.match(crd, { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' })
    const { group, names, scope, versions } = crd['spec']
    t.equal(crd['metadata'].name, `${names.plural}.${group}`)
    t.match({ scope, names }, { scope: 'Namespaced', names: { kind: info.kind, categories: ['tinkerbell'] } })
    t.equal(versions.length, 1)
    const [version] = versions
    t.match(version, { served: true, storage: true, subresources: { status: {} } })
    for (const column of version.additionalPrinterColumns) {
      t.match(column, { jsonPath: /^\.[A-Za-z.]+$/, name: /^[A-Z]/ })
      t.ok(['string', 'integer', 'date'].includes(column.type))
    }
    const root = version.schema.openAPIV3Schema
    t.same(Object.keys(root.properties), ['apiVersion', 'kind', 'metadata', 'spec', 'status'])
    t.same(root.properties.metadata, { type: 'object' })
    t.same(faultsOf(root, ''), [])
  })
}

t.test('clusterctl moves Hardware and the Machines of its BMCs', async (t) => {
  const labelled: string[] = []
  for (const info of customKinds) {
    const { metadata } = parse(await read(crdFile(info)))
    if (metadata.labels?.['clusterctl.cluster.x-k8s.io/move'] === '') labelled.push(metadata.name)
  }
  t.same(labelled, ['hardware.tinkerbell.org', 'machines.bmc.tinkerbell.org'])
})

t.test('a word that YAML 1.1 takes for a boolean is quoted', async (t) => {
  const [version] = parse(await read(crdFile(kinds.Job)), { version: '1.1' }).spec.versions
  const { tasks } = version.schema.openAPIV3Schema.properties.spec.properties
  t.same(tasks.items.properties.powerAction.enum, ['on', 'off', 'soft', 'status', 'cycle', 'reset'])
})

const types = ['object', 'array', 'string', 'integer', 'number', 'boolean']
const keywords = [
  'type',
  'description',
  'pattern',
  'minimum',
  'maximum',
  'required',
  'format',
  'enum',
  'items',
  'properties',
  'additionalProperties',
  'anyOf',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-int-or-string',
]

/** What is wrong with a schema by the rules of structural schemas. */
function faultsOf(schema: Body, path: string): string[] {
  const faults = Object.keys(schema)
    .filter((key) => !keywords.includes(key))
    .map((key) => `${path}: ${key} is not allowed`)
  const fault = (what: string) => faults.push(`${path}: ${what}`)
  const { type, properties, additionalProperties, items, required = [], anyOf } = schema
  const isIntOrString = schema['x-kubernetes-int-or-string'] === true
  if (!isIntOrString && !types.includes(type)) fault(`type ${type}`)
  if (isIntOrString && type !== undefined) fault('a type beside int-or-string')
  if (anyOf && JSON.stringify(anyOf) !== '[{"type":"integer"},{"type":"string"}]') fault('another anyOf')
  if (properties && additionalProperties) fault('properties and additionalProperties')
  if ((properties ?? additionalProperties) && type !== 'object') fault('properties of no object')
  if ((type === 'array') !== (items !== undefined)) fault('an array and its items')
  for (const name of required) if (!properties?.[name]) fault(`required ${name} has no schema`)
  const isRoot = path === ''
  if (properties && !isRoot && schema['x-kubernetes-preserve-unknown-fields'] !== true)
    fault('unknown fields would be dropped')
  for (const [name, inner] of Object.entries<Body>(properties ?? {}))
    faults.push(...faultsOf(inner, `${path}.${name}`))
  if (items) faults.push(...faultsOf(items, `${path}[]`))
  if (additionalProperties) faults.push(...faultsOf(additionalProperties, `${path}{}`))
  return faults
}
