import t from 'tap'
import { explain, matches } from '../../src/discovery/match.ts'
import { parseRule } from '../../src/discovery/rule.ts'
import type { Rule } from '../../src/discovery/rule.ts'

/** Semantics: Quamina's PATTERNS.md and REGEXP.md; `suffix` and `numeric` are ours, as EventBridge has them. */
const machine = {
  cpu: {
    totalCores: 16,
    totalThreads: 32,
    processors: [
      { id: 0, cores: 8, vendor: 'GenuineIntel', model: 'Xeon Gold 6326', capabilities: ['vmx', 'aes'] },
      { id: 1, cores: 8, vendor: 'GenuineIntel', model: 'Xeon Gold 6326', capabilities: ['vmx'] },
    ],
  },
  memory: { total: '64GB', usable: '63GB' },
  blockDevices: [
    { name: 'sda', driveType: 'HDD', size: '2TB', vendor: '' },
    { name: 'nvme0n1', driveType: 'SSD', size: '1TB', model: 'a**\\.b' },
  ],
  networkInterfaces: [{ name: 'eth0', mac: '52:54:00:00:00:01', enabledCapabilities: [] }],
  bios: { vendor: 'Dell Inc.', version: '1.2.3' },
  product: { name: 'PowerEdge R640', vendor: 'Dell Inc.', serialNumber: 'ABC123' },
  flags: { uefi: true, none: null, ratio: 1.5, deep: [[1, [2]], { x: 'ÄRGER' }] },
}

const yes: Record<string, unknown> = {
  'an exact text': { product: { name: ['PowerEdge R640'] } },
  'one of several texts': { product: { vendor: ['HPE', 'Dell Inc.'] } },
  'an exact number': { cpu: { totalCores: [16] } },
  'a number spelled another way': '{"cpu":{"totalCores":[1.6e1]}}',
  'a fraction': { flags: { ratio: [1.5] } },
  true: { flags: { uefi: [true] } },
  null: { flags: { none: [null] } },
  'texts and numbers side by side': { cpu: { totalCores: ['16', 16] } },
  'several fields': { cpu: { totalThreads: [32] }, memory: { total: ['64GB'] } },
  'an element of a list of texts': { cpu: { processors: { capabilities: ['aes'] } } },
  'any element of a list of objects': { blockDevices: { name: ['nvme0n1'] } },
  'two fields of one element': { blockDevices: { name: ['sda'], driveType: ['HDD'] } },
  'a field of an element and one of an inner list': {
    cpu: { processors: { id: [0], capabilities: ['aes'] } },
  },
  'fields of two lists, which go their own ways': {
    blockDevices: { name: ['sda'] },
    cpu: { processors: { id: [1] } },
  },
  'lists within lists': { flags: { deep: [2] } },
  'an object beside numbers in a list': { flags: { deep: { x: ['ÄRGER'] } } },
  'an empty text': { blockDevices: { vendor: [''] } },
  'exists: true': { bios: { version: [{ exists: true }] } },
  'exists: true of null': { flags: { none: [{ exists: true }] } },
  'exists: true of a list of texts': { cpu: { processors: { capabilities: [{ exists: true }] } } },
  'exists: false': { bios: { releaseDate: [{ exists: false }] } },
  'exists: false of an empty list': { networkInterfaces: { enabledCapabilities: [{ exists: false }] } },
  'exists: false below what is absent': { gpuDevices: { vendor: [{ exists: false }] } },
  'exists: false of an object': { cpu: [{ exists: false }] },
  'exists: false beside another field': { gpu: { a: [{ exists: false }] }, cpu: { totalCores: [16] } },
  'exists: false beside a field of the same list': {
    networkInterfaces: { name: ['eth0'], speed: [{ exists: false }] },
  },
  'anything-but': { bios: { vendor: [{ 'anything-but': ['HPE', 'Supermicro'] }] } },
  'anything-but of a list where one differs': { blockDevices: { driveType: [{ 'anything-but': ['HDD'] }] } },
  prefix: { networkInterfaces: { mac: [{ prefix: '52:54:00' }] } },
  'prefix that is the whole': { product: { serialNumber: [{ prefix: 'ABC123' }] } },
  'an empty prefix': { product: { serialNumber: [{ prefix: '' }] } },
  'prefix or a text': { product: { serialNumber: ['X', { prefix: 'ABC' }] } },
  suffix: { product: { serialNumber: [{ suffix: '123' }] } },
  'equals-ignore-case': { bios: { vendor: [{ 'equals-ignore-case': 'DELL INC.' }] } },
  'equals-ignore-case beyond ASCII': { flags: { deep: { x: [{ 'equals-ignore-case': 'ärger' }] } } },
  'shellstyle at the end': { product: { name: [{ shellstyle: 'PowerEdge*' }] } },
  'shellstyle at the front': { product: { name: [{ shellstyle: '*R640' }] } },
  'shellstyle in the middle': { product: { name: [{ shellstyle: 'Power*640' }] } },
  'shellstyle twice': { product: { name: [{ shellstyle: '*Edge*' }] } },
  'shellstyle alone': { product: { name: [{ shellstyle: '*' }] } },
  'shellstyle that stands for nothing': { product: { name: [{ shellstyle: 'PowerEdge R640*' }] } },
  'shellstyle without a star': { product: { name: [{ shellstyle: 'PowerEdge R640' }] } },
  wildcard: { product: { name: [{ wildcard: 'P*E*R*' }] } },
  'wildcard with escapes': { blockDevices: { model: [{ wildcard: 'a\\*\\*\\\\.b' }] } },
  'wildcard whose pieces overlap nowhere': { product: { serialNumber: [{ wildcard: 'A*C*3' }] } },
  'regexp: alternatives': { product: { vendor: [{ regexp: '(HPE|Dell Inc~.)' }] } },
  'regexp: classes and counts': { product: { name: [{ regexp: 'PowerEdge R[0-9]{3}' }] } },
  'regexp: a class turned round': { product: { serialNumber: [{ regexp: '[^0-9]+[^A-Z]+' }] } },
  'regexp: a category': { product: { serialNumber: [{ regexp: '~p{Lu}{3}~p{Nd}*' }] } },
  'regexp: no category': { product: { serialNumber: [{ regexp: '~P{Nd}{3,}.*' }] } },
  'regexp: a category in a class': {
    product: { serialNumber: [{ regexp: '[~p{L}~d-9]*'.replace('~d', '0') }] },
  },
  'regexp: any character': { product: { serialNumber: [{ regexp: '......' }] } },
  'regexp: what may be missing': { product: { serialNumber: [{ regexp: 'ABCX?123Y*' }] } },
  'regexp: a backslash is a character': { blockDevices: { model: [{ regexp: 'a~*~*\\~.b' }] } },
  'regexp: a minus at the ends of a class': { product: { serialNumber: [{ regexp: '[-A-Z1-3-]+' }] } },
  'regexp: loops in loops': { product: { serialNumber: [{ regexp: '((A*)*(B|C)*)*123' }] } },
  'numeric: at least': { cpu: { totalCores: [{ numeric: ['>=', 16] }] } },
  'numeric: between': { cpu: { totalCores: [{ numeric: ['>', 8, '<=', 16] }] } },
  'numeric: equal': { flags: { ratio: [{ numeric: ['=', 1.5] }] } },
  'an object without fields asks for nothing': { cpu: { totalCores: [16] }, anything: {} },
}

const no: Record<string, [rule: unknown, why: RegExp]> = {
  'another text': [
    { product: { name: ['R750'] } },
    /^product\.name: found "PowerEdge R640", expected "R750"$/,
  ],
  'a text in another case': [{ bios: { vendor: ['dell inc.'] } }, /found "Dell Inc\."/],
  'a number as text': [{ cpu: { totalCores: ['16'] } }, /found 16, expected "16"/],
  'a text as number': [{ memory: { total: [64] } }, /found "64GB", expected 64/],
  'false for true': [{ flags: { uefi: [false] } }, /found true/],
  'an absent field': [{ bios: { releaseDate: ['x'] } }, /bios\.releaseDate: found nothing/],
  'a path through a value': [{ memory: { total: { gib: [64] } } }, /memory\.total\.gib: found nothing/],
  'an object where a value is asked for': [{ cpu: [16] }, /cpu: found nothing/],
  'one field of two': [{ cpu: { totalCores: [16] }, memory: { total: ['1GB'] } }, /^memory\.total/],
  'fields of two elements': [
    { blockDevices: { name: ['sda'], driveType: ['SSD'] } },
    /not all of them in one element of the same list/,
  ],
  'a field of an element and one of the inner list of another': [
    { cpu: { processors: { id: [1], capabilities: ['aes'] } } },
    /in one element/,
  ],
  'an empty list in the rule': [{ bios: { vendor: [] } }, /its list is empty/],
  'exists: true of an object': [{ cpu: [{ exists: true }] }, /cpu: found nothing/],
  'exists: true of an empty list': [
    { networkInterfaces: { enabledCapabilities: [{ exists: true }] } },
    /found nothing, expected \{"exists":true\}/,
  ],
  'exists: false of what is there': [{ bios: { vendor: [{ exists: false }] } }, /expected that it is absent/],
  'exists: false of what one element has': [
    { blockDevices: { name: ['sda'], model: [{ exists: false }] } },
    /blockDevices\.model/,
  ],
  'anything-but the value': [{ bios: { vendor: [{ 'anything-but': ['Dell Inc.'] }] } }, /anything-but/],
  'anything-but of an absent field': [{ bios: { x: [{ 'anything-but': ['a'] }] } }, /found nothing/],
  'anything-but of a number': [{ cpu: { totalCores: [{ 'anything-but': ['a'] }] } }, /found 16/],
  'prefix of another': [{ bios: { vendor: [{ prefix: 'HP' }] } }, /prefix/],
  'prefix of a number': [{ cpu: { totalCores: [{ prefix: '1' }] } }, /found 16/],
  'suffix of another': [{ bios: { vendor: [{ suffix: 'Corp' }] } }, /suffix/],
  'shellstyle is the whole text': [{ product: { name: [{ shellstyle: 'Edge*' }] } }, /shellstyle/],
  'shellstyle has no escapes': [{ product: { name: [{ shellstyle: '\\*' }] } }, /shellstyle/],
  'wildcard ends that overlap': [{ product: { serialNumber: [{ wildcard: 'ABC123*23' }] } }, /wildcard/],
  'wildcard of an escaped star': [{ product: { name: [{ wildcard: '\\*' }] } }, /wildcard/],
  'regexp is the whole text': [{ product: { name: [{ regexp: 'PowerEdge' }] } }, /regexp/],
  'regexp: too few': [{ product: { serialNumber: [{ regexp: '[A-Z]{4,}.*' }] } }, /regexp/],
  'regexp: a class turned round': [{ product: { serialNumber: [{ regexp: '[^A].*' }] } }, /regexp/],
  'numeric: less': [{ cpu: { totalCores: [{ numeric: ['<', 16] }] } }, /numeric/],
  'numeric of a text': [{ memory: { total: [{ numeric: ['>', 0] }] } }, /found "64GB"/],
  'a rule without fields': [{}, /names no field/],
  'a name of every object': [{ constructor: [{ exists: true }] }, /found nothing/],
  'a prototype': ['{"__proto__":{"toString":[{"exists":true}]}}', /found nothing/],
}

const ruleOf = (json: unknown): Rule => {
  const rule = parseRule(typeof json === 'string' ? json : JSON.stringify(json))
  if ('faults' in rule) throw new Error(JSON.stringify(rule.faults))
  return rule
}

t.ok(Object.keys(yes).length + Object.keys(no).length >= 80)

for (const [name, json] of Object.entries(yes))
  t.test(`matches: ${name}`, async (t) => {
    t.ok(matches(ruleOf(json), machine))
    t.same(explain(ruleOf(json), machine), [])
  })

for (const [name, [json, why]] of Object.entries(no))
  t.test(`does not match: ${name}`, async (t) => {
    t.notOk(matches(ruleOf(json), machine))
    t.match(explain(ruleOf(json), machine).join('\n'), why)
  })

t.test('nothing is known of a machine', async (t) => {
  for (const event of [undefined, null, 3, 'x', []])
    t.notOk(matches(ruleOf({ a: [{ exists: false }] }), event), String(event))
  t.ok(matches(ruleOf({ a: [{ exists: false }] }), {}))
})
