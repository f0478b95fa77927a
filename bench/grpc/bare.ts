import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import { workflowService } from '../../src/grpc/tinkerbell-wire.ts'

/** grpc-js with nothing behind it: every agent has an action, every report is taken. Its argument is where it listens. */

const action = {
  workflowId: 'bench/bench',
  taskId: '01J00000000000000000000000',
  actionId: '01J00000000000000000000001',
  name: 'step',
  image: 'quay.io/tinkerbell/actions/writefile:latest',
  timeout: 600,
}

type Call = ServerUnaryCall<{ agentId: string }, object>
const refuse = () => {}
const server = new Server({ 'grpc.enable_channelz': 0 })
server.addService(workflowService, {
  GetAction: ({ request }: Call, answer: sendUnaryData<object>) =>
    answer(null, { ...action, agentId: request.agentId }),
  ReportActionStatus: (_: Call, answer: sendUnaryData<object>) => answer(null, {}),
  GetWorkflowContexts: refuse,
  GetWorkflowActions: refuse,
})
server.bindAsync(process.argv[2]!, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error
})
