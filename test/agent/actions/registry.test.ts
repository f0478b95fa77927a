import t from 'tap'
import { actionName, findAction } from '../../../src/agent/actions/registry.ts'
import { container } from '../../../src/agent/actions/container.ts'
import { image2disk } from '../../../src/agent/actions/image2disk.ts'

const names = [
  ['quay.io/tinkerbell/actions/image2disk:latest', 'image2disk'],
  ['127.0.0.1/embedded/writefile', 'writefile'],
  ['registry:5000/a/reboot:v1@sha256:00ff', 'reboot'],
  ['image2disk', 'image2disk'],
  ['alpine:3.20', 'alpine'],
  ['', ''],
] as const
for (const [image, name] of names) {
  t.test(`"${image}" is known by the name "${name}"`, async (t) => t.equal(actionName(image), name))
}

t.test('an action is found whatever its registry', async (t) => {
  t.equal(findAction('public.ecr.aws/x/image2disk:1-eks-a-2'), image2disk)
})

t.test('any other image is run as a container', async (t) => {
  t.equal(findAction('alpine:3'), container)
  t.equal(findAction('x/constructor'), container)
})
