import type { Command } from 'commander'
import { withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps } from './command.ts'
import type { RuleSetOptions } from './ruleset-test.ts'

/** `ruleset test`. */
export function ruleSetCommands(program: Command, deps: CliDeps): void {
  const ruleSet = program
    .command('ruleset')
    .alias('wrs')
    .description('rule sets of enrolment: which machine gets which Workflow')
  withExamples(ruleSet, 'ruleset test --hardware machine-1')
  const command = ruleSet
    .command('test')
    .description('show which rule set a machine would get its Workflow from, and why not from the others')
    .option(
      '-f, --filename <file>',
      'YAML with WorkflowRuleSets ("-": standard input) instead of those of the server',
    )
    .option('--hardware <file or name>', 'Hardware: a YAML file, else the name of one on the server')
    .option('--attributes <file>', 'JSON of what the agent says of the machine, instead of a Hardware')
    .option('-n, --namespace <name>', 'namespace of --hardware (default: that of the kubeconfig)')
    .action(async (options: RuleSetOptions) =>
      (await import('./ruleset-test.ts')).testRuleSets(options, deps),
    )
  withExamples(
    withOutput(withConnection(command), 'table', 'json', 'yaml'),
    'ruleset test --hardware default/discovery-52-54-00-00-00-01',
    'ruleset test -f ruleset.yaml --hardware machine-1',
    'ruleset test -f ruleset.yaml --hardware hardware.yaml -o json',
    'ruleset test -f ruleset.yaml --attributes attributes.json',
  ).addHelpText('after', '\nExit code 1: no rule set matches.')
}
