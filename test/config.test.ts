import t from 'tap'
import { defaultRouteInterface } from '../src/address.ts'
import { loadConfig, settings, withoutSecrets } from '../src/config.ts'
import { AppError } from '../src/model/error.ts'

const none = { env: {}, flags: {} }

t.test('every setting has a key, an environment name and a flag', async (t) => {
  const mode = settings.find((setting) => setting.key === 'dhcp.mode')
  t.match(mode, { env: 'IRONWAKE_DHCP_MODE', flag: '--dhcp-mode' })
  const dir = settings.find((setting) => setting.key === 'dataDir')
  t.match(dir, { env: 'IRONWAKE_DATA_DIR', flag: '--data-dir' })
  t.ok(settings.every((setting) => setting.description !== ''))
})

t.test('defaults < file < environment < flags', async (t) => {
  const file = { name: 'ironwake.yaml', text: 'http: { port: 1 }\ntftp: { port: 1 }\ngrpc: { port: 1 }' }
  const env = { IRONWAKE_TFTP_PORT: '2', IRONWAKE_GRPC_PORT: '2' }
  const config = loadConfig({ file, env, flags: { 'grpc.port': '3' } })
  t.equal(config.api.port, 7443)
  t.equal(config.http.port, 1)
  t.equal(config.tftp.port, 2)
  t.equal(config.grpc.port, 3)
})

t.test(
  'lists are comma-separated in environment and flags, and one interface may be plain text',
  async (t) => {
    t.same(loadConfig({ ...none, env: { IRONWAKE_METADATA_PORTS: '80, 81' } }).metadata.ports, [80, 81])
    t.same(loadConfig({ ...none, file: { name: 'f', text: 'interface: eth1' } }).interface, ['eth1'])
    const words = loadConfig({ ...none, env: { IRONWAKE_BOOT_KERNEL_ARGS: 'console=ttyS1,115200n8 quiet' } })
    t.same(words.boot.kernelArgs, ['console=ttyS1,115200n8', 'quiet'], 'kernel arguments are split at blanks')
  },
)

t.test('passwords in URLs are for nobody to see', async (t) => {
  const text = [
    'boot: { registries: ["https://user:s3cret@registry.example:5000", "http://plain.example"] }',
    'images: { upstreams: ["a=https://user:s3%2Fcret@images.example/x/"] }',
  ].join('\n')
  const shown = withoutSecrets(loadConfig({ ...none, file: { name: 'f', text } }))
  t.same(shown.boot.registries, ['https://user:***@registry.example:5000', 'http://plain.example'])
  t.same(shown.images.upstreams, ['a=https://user:***@images.example/x/'])
})

t.test('all faults are reported at once, each with its path', async (t) => {
  const text = 'interfaces: eth0\nhttp: { prt: 80 }\ngrpc: { plain: maybe }\n'
  const env = { IRONWAKE_DHCP_MODE: 'server', IRONWAKE_API_PORT: '70000', IRONWAKE_SPEED: '9' }
  try {
    loadConfig({ file: { name: 'f', text }, env, flags: {} })
    t.fail('expected faults')
  } catch (error) {
    t.ok(error instanceof AppError)
    const paths = (error as AppError).faults.map((fault) => fault.path).sort()
    t.same(paths, ['IRONWAKE_SPEED', 'api.port', 'dhcp.mode', 'grpc.plain', 'http.prt', 'interfaces'])
    t.match((error as AppError).message, 'is not one of reservation, proxy, auto-proxy, off')
  }
})

t.test('states of Workflows are spelled one way or the other', async (t) => {
  t.equal(loadConfig(none).api.workflowStates, 'SUCCESS')
  const flags = { 'api.workflowStates': 'STATE_SUCCESS' }
  t.equal(loadConfig({ ...none, flags }).api.workflowStates, 'STATE_SUCCESS')
  const env = { IRONWAKE_API_WORKFLOW_STATES: 'state' }
  t.throws(() => loadConfig({ ...none, env }), /api\.workflowStates: .*SUCCESS, STATE_SUCCESS/)
})

t.test('a file that is no map, or no YAML, is one fault that names it', async (t) => {
  t.throws(() => loadConfig({ ...none, file: { name: 'f.yaml', text: '- 1' } }), /f\.yaml: expected a map/)
  t.throws(
    () => loadConfig({ ...none, file: { name: 'f.yaml', text: 'a: [' } }),
    /f\.yaml: not readable as YAML/,
  )
})

t.test('the default route names its interface', async (t) => {
  const header = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n'
  const local = 'eth1\t00004DC0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n'
  const route = 'eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n'
  t.equal(defaultRouteInterface(header + local + route), 'eth0')
  t.equal(defaultRouteInterface(header + local), undefined)
})

t.test('a certificate and its key are given together', async (t) => {
  const faults = (flags: Record<string, string>) => {
    try {
      loadConfig({ ...none, flags })
      return []
    } catch (error) {
      return (error as AppError).faults.map(({ path }) => path)
    }
  }
  t.same(faults({ 'api.tls.cert': 'a.pem' }), ['api.tls.key'])
  t.same(faults({ 'api.tls.key': 'a.pem' }), ['api.tls.cert'])
  t.same(faults({ 'api.tls.ca': 'a.pem' }), ['api.tls.ca'])
  t.same(faults({ 'api.tls.cert': 'a.pem', 'api.tls.key': 'b.pem', 'api.tls.ca': 'c.pem' }), [])
})
