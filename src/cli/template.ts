import { Option } from 'commander'
import type { Command } from 'commander'
import { withConnection, withExamples } from './command.ts'
import type { CliDeps } from './command.ts'
import { collectPair } from './template-input.ts'
import type { RenderOptions } from './template-render.ts'

/** `template render`. */
export function templateCommands(program: Command, deps: CliDeps): void {
  const template = program
    .command('template')
    .alias('tpl')
    .description('templates of installations: what one becomes for a machine')
  withExamples(template, 'template render -f template.yaml --hardware hardware.yaml')
  const command = template
    .command('render')
    .description('show the actions that a template makes for a machine, or where it is wrong; stores nothing')
    .option('-f, --filename <file>', 'template text, or YAML with a Template object ("-": standard input)')
    .option('-t, --template <name>', 'Template on the server, "name" or "namespace/name", instead of -f')
    .option('--hardware <file or name>', 'Hardware: a YAML file, else the name of one on the server')
    .option('--set <key=value>', 'a value of hardwareMap; may be given several times', collectPair)
    .option('--values <file>', 'values of hardwareMap as YAML; --set goes before them')
    .option('-n, --namespace <name>', 'namespace on the server (default: that of the kubeconfig)')
    .option('--allow-non-hermetic', 'as on a server with templates.allowNonHermetic: now, env and their like')
    .addOption(
      new Option('-o, --output <format>', 'the actions as yaml or json, or the rendered text as it is')
        .choices(['yaml', 'json', 'text'])
        .default('yaml'),
    )
    .action(async (options: RenderOptions) =>
      (await import('./template-render.ts')).renderTemplate(options, deps),
    )
  withExamples(
    withConnection(command),
    'template render -f template.yaml --hardware hardware.yaml',
    'template render -f template.yaml --hardware eksa-system/machine-1 -o json',
    'template render -t debian-cloud --hardware machine-1 --set image_url=http://10.0.0.1/a.zst',
    'template render -f - --values values.yaml -o text < template.tmpl',
  ).addHelpText(
    'after',
    '\ndevice_1 is the agent of the Hardware (spec.agentID, else its first MAC) unless --set says otherwise.',
  )
}
