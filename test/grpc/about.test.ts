import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { service as health } from 'grpc-health-check'
import t from 'tap'
import { openSite } from './site.ts'

const require = createRequire(import.meta.url)
const folder = dirname(require.resolve('@grpc/reflection/package.json'))
const names = [
  'proto.WorkflowService',
  'github.com.tinkerbell.tink.protos.workflow.WorkflowService',
  'ironwake.v1.AgentService',
]

t.test('reflection', async (t) => {
  const site = await openSite()
  t.teardown(() => site.stop())
  for (const version of ['v1', 'v1alpha'])
    t.test(version, async (t) => {
      const name = `grpc.reflection.${version}.ServerReflection`
      const file = join(folder, `build/proto/grpc/reflection/${version}/reflection.proto`)
      const Client = grpc.makeGenericClientConstructor(loadSync(file)[name] as grpc.ServiceDefinition, name)
      const client = new Client(`127.0.0.1:${site.port}`, grpc.credentials.createInsecure())
      t.teardown(() => client.close())
      type Answer = {
        listServicesResponse?: { service: { name: string }[] }
        fileDescriptorResponse?: object
        errorResponse?: object
      }
      const open = () =>
        (
          client as never as { ServerReflectionInfo(): grpc.ClientDuplexStream<object, Answer> }
        ).ServerReflectionInfo()
      const stream = open()
      const answers = stream[Symbol.asyncIterator]()
      const ask = async (question: object): Promise<Answer> => {
        stream.write(question)
        return ((await answers.next()) as { value: Answer }).value
      }
      const listed = await ask({ listServices: '*' })
      t.same(new Set(listed.listServicesResponse!.service.map((one) => one.name)), new Set(names))
      for (const symbol of [...names, 'proto.WorkflowService.GetAction'])
        t.ok((await ask({ fileContainingSymbol: symbol })).fileDescriptorResponse, symbol)
      t.ok((await ask({ fileContainingSymbol: 'no.Such' })).errorResponse)
      stream.end()
      const endless = open()
      const code = new Promise((resolve) =>
        endless.on('error', (error: grpc.ServiceError) => resolve(error.code)),
      )
      endless.resume()
      for (let count = 0; count < 1001; count++) endless.write({ listServices: '*' })
      t.equal(await code, grpc.status.RESOURCE_EXHAUSTED)
    })
})

t.test('health', async (t) => {
  const site = await openSite()
  const Client = grpc.makeGenericClientConstructor(health as grpc.ServiceDefinition, 'grpc.health.v1.Health')
  const client = new Client(`127.0.0.1:${site.port}`, grpc.credentials.createInsecure())
  t.teardown(() => client.close())
  const typed = client as never as {
    check(r: object, answer: (error: grpc.ServiceError | null, value: { status: string }) => void): void
    watch(r: object): grpc.ClientReadableStream<{ status: string }>
  }
  const check = (service: string) =>
    new Promise((resolve) => typed.check({ service }, (error, value) => resolve(error?.code ?? value.status)))
  for (const name of ['', ...names]) t.equal(await check(name), 'SERVING', name)
  t.equal(await check('no.Such'), grpc.status.NOT_FOUND)
  const seen: string[] = []
  const watch = typed.watch({ service: '' })
  watch.on('error', () => undefined)
  const first = new Promise<void>((resolve) =>
    watch.on('data', ({ status }: { status: string }) => {
      seen.push(status)
      resolve()
    }),
  )
  await first
  await site.stop()
  t.same(seen, ['SERVING', 'NOT_SERVING'], 'and not while it goes')
})
