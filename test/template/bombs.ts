/** Templates that grow, nest, repeat or search without end, unless they are stopped. */
export const bombs: { name: string; text: string }[] = [
  { name: 'recursion', text: '{{define "a"}}{{template "a" .}}{{end}}{{template "a" .}}' },
  {
    name: 'recursion in two',
    text: '{{define "a"}}{{template "b"}}{{end}}{{define "b"}}x{{template "a"}}{{template "a"}}{{end}}{{template "a"}}',
  },
  {
    name: 'a tree of calls',
    text: `${Array.from({ length: 40 }, (_, i) => `{{define "t${i}"}}{{template "t${i + 1}"}}{{template "t${i + 1}"}}{{end}}`).join('')}{{define "t40"}}{{end}}{{template "t0"}}`,
  },
  {
    name: 'loops in loops in loops',
    text: '{{range 9999999}}{{range 9999999}}{{range 9999999}}{{end}}{{end}}{{end}}',
  },
  { name: 'a loop over the largest int', text: '{{range 9223372036854775807}}{{end}}' },
  { name: 'a list that doubles', text: '{{$x := list 1}}{{range 64}}{{$x = concat $x $x}}{{end}}' },
  {
    name: 'a text that doubles by join',
    text: '{{$x := "ab"}}{{range 64}}{{$x = join $x (list $x $x $x)}}{{end}}',
  },
  {
    name: 'a text that doubles by replace',
    text: '{{$x := "aa"}}{{range 64}}{{$x = replace "a" $x $x}}{{end}}',
  },
  {
    name: 'a text that grows by indent',
    text: '{{$x := repeat 1000 "\\n"}}{{range 64}}{{$x = indent 10000 $x}}{{end}}',
  },
  { name: 'a text that grows by quoting', text: '{{$x := "\\""}}{{range 64}}{{$x = quote $x}}{{end}}' },
  {
    name: 'a text that grows by printf',
    text: '{{$x := "a"}}{{range 64}}{{$x = printf "%s%s%s%[1]q" $x $x $x}}{{end}}',
  },
  { name: 'a text that grows by wrapping', text: '{{wrapWith 1 (repeat 100000 "x") (repeat 100000 "ab ")}}' },
  {
    name: 'a text that grows by b64enc',
    text: '{{$x := "a"}}{{range 99}}{{$x = b64enc (b32enc $x)}}{{end}}',
  },
  {
    name: 'text that grows by html',
    text: '{{$x := "&"}}{{range 64}}{{$x = html $x}}{{$x = print $x $x}}{{end}}',
  },
  {
    name: 'a width of millions',
    text: '{{printf "%9999999d %-9999999s %.9999999f %*d" 1 "a" 1.5 9999999 1}}',
  },
  { name: 'many widths', text: `{{printf "${'%9999d'.repeat(2000)}"${' 1'.repeat(2000)}}}` },
  { name: 'a precision of digits', text: `{{printf "${'%.1000f'.repeat(900)}"${' 1e308'.repeat(900)}}}` },
  { name: 'factors that overflow', text: `{{mulf 1.7e308${' 1.7e308'.repeat(5000)}}}` },
  { name: 'quotients of small numbers', text: `{{divf 1e-300${' 3.3e-300'.repeat(3000)}}}` },
  { name: 'sums of far apart numbers', text: `{{addf${' 1e308 5e-324'.repeat(3000)}}}` },
  { name: 'many parentheses', text: `{{${'('.repeat(100_000)}` },
  { name: 'many blocks', text: '{{with 1}}'.repeat(50_000) },
  { name: 'many else ifs', text: `{{if 0}}${'{{else if 0}}'.repeat(50_000)}{{end}}` },
  { name: 'a long chain of fields', text: `{{.m${'.b'.repeat(100_000)}}}` },
  { name: 'a long pipeline', text: `{{1${' | add 1'.repeat(100_000)}}}` },
  { name: 'many variables', text: Array.from({ length: 20_000 }, (_, i) => `{{$v${i} := ${i}}}`).join('') },
  { name: 'nested lists', text: `{{${'list ('.repeat(199)}1${')'.repeat(199)} | toJson}}` },
  { name: 'a list in itself, deep', text: '{{$x := list}}{{range 100000}}{{$x = list $x}}{{end}}{{$x}}' },
  {
    name: 'a deep list, compared',
    text: '{{$x := list}}{{$y := list}}{{range 50000}}{{$x = list $x}}{{$y = list $y}}{{end}}{{deepEqual $x $y}}',
  },
  {
    name: 'a deep map, merged',
    text: '{{$x := dict}}{{$y := dict}}{{range 50000}}{{$x = dict "a" $x}}{{$y = dict "a" $y}}{{end}}{{merge $x $y | len}}',
  },
  {
    name: 'a map in itself, merged',
    text: '{{$x := dict}}{{$_ := set $x "a" $x}}{{merge $x $x | len}}{{merge (dict) $x | toJson}}',
  },
  {
    name: 'maps in each other, merged',
    text: '{{$x := dict}}{{$y := dict}}{{$_ := set $x "a" $y}}{{$_ := set $y "a" $x}}{{merge $x $y | len}}',
  },
  {
    name: 'a map in itself, copied and compared',
    text: '{{$x := dict}}{{$_ := set $x "a" $x}}{{deepEqual $x (deepCopy $x)}}',
  },
  {
    name: 'a map in itself, searched',
    text: '{{$x := dict}}{{$_ := set $x "a" $x}}{{has $x (list $x 1)}}{{uniq (list $x $x)}}',
  },
  { name: 'distinct items', text: '{{uniq (until 100000)}}' },
  {
    name: 'items without items',
    text: '{{$x := until 9000}}{{range 99}}{{$x = append $x .}}{{end}}{{has 1 $x}}{{without $x 1 2 3}}',
  },
  {
    name: 'a YAML bomb',
    text: '{{fromYaml "a: &a [x,x,x,x,x,x,x,x,x]\\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\\ne: [*d,*d,*d,*d,*d,*d,*d,*d]"}}',
  },
  { name: 'deep YAML', text: '{{fromYaml (repeat 5000 "[")}}' },
  { name: 'deep JSON', text: '{{fromJson (print (repeat 50000 "[") (repeat 50000 "]"))}}' },
  { name: 'long YAML', text: '{{fromYaml (repeat 100000 "- a\\n") | len}}' },
  { name: 'YAML of much', text: '{{$x := until 9000}}{{toYaml (list $x $x $x $x $x $x $x $x) | len}}' },
  {
    name: 'a regular expression that backtracks elsewhere',
    text: '{{regexMatch "(a*)*b" (repeat 100000 "a")}}{{regexMatch "(x+x+)+y" (repeat 10000 "x")}}',
  },
  { name: 'repeats in repeats', text: '{{regexMatch "((a{30}){30}){30}" "a"}}' },
  { name: 'many large repeats', text: `{{regexMatch "${'(a{1000})'.repeat(500)}" "a"}}` },
  { name: 'many alternatives', text: '{{regexMatch (repeat 50000 "a|") "b"}}' },
  { name: 'deep groups', text: '{{regexMatch (print (repeat 5000 "(") (repeat 5000 ")")) "b"}}' },
  {
    name: 'a search that starts again at each character',
    text: '{{regexFindAll "(a*b)|a" (repeat 100000 "a") -1 | len}}',
  },
  {
    name: 'a replacement at each character',
    text: '{{regexReplaceAll "" (repeat 100000 "a") (repeat 100 "$0x")}}',
  },
  { name: 'large repeat over much text', text: '{{regexMatch "(.?){500}.{400}z" (repeat 100000 "a")}}' },
  {
    name: 'unclosed classes',
    text: '{{regexMatch (repeat 20000 "[a") "a"}}{{regexMatch (repeat 20000 "\\\\p{") "a"}}',
  },
  { name: 'a long constraint', text: `{{semverCompare "${'>=1 <2 '.repeat(20_000)}" "1.0.0"}}` },
  { name: 'a constraint that almost fits', text: `{{semverCompare "${'1.1.1-1.'.repeat(120)}!" "1.0.0"}}` },
  { name: 'a long version', text: `{{semver "${'1'.repeat(100_000)}"}}` },
  { name: 'a long date', text: '{{mustToDate (repeat 50000 "2006") (repeat 50000 "2006")}}' },
  { name: 'a date of much', text: '{{(toDate "2006" "2020").Format (repeat 200000 "January")}}' },
  { name: 'a date far away', text: '{{((toDate "2006" "2020").AddDate 999999 0 0).AddDate 999999 0 0}}' },
  {
    name: 'a long duration',
    text: `{{durationRound "${'1h'.repeat(100_000)}"}}{{duration "999999999999999999"}}`,
  },
  {
    name: 'checksums of much',
    text: '{{$x := repeat 1000000 "a"}}{{range 99}}{{sha512sum $x}}{{sha1sum $x}}{{adler32sum $x}}{{end}}',
  },
  { name: 'a path of much', text: '{{clean (repeat 200000 "a/../")}}{{clean (repeat 200000 "../")}}' },
  { name: 'a URL of much', text: '{{urlParse (repeat 200000 "http://a@")}}' },
  {
    name: 'case of much',
    text: '{{$x := repeat 200000 "aB1_"}}{{snakecase $x | len}}{{camelcase $x | len}}{{swapcase $x | len}}{{title $x | len}}',
  },
  {
    name: 'spaces of much',
    text: '{{$x := repeat 300000 " "}}{{trim $x}}{{nospace $x}}{{initials $x}}{{untitle $x | len}}{{trimAll " " $x}}{{camelcase $x | len}}{{wrap 1 $x | len}}',
  },
  {
    name: 'cuts of much',
    text: '{{$x := repeat 1000000 "a"}}{{range 500}}{{substr 0 5 $x}}{{trunc 3 $x}}{{abbrev 9 $x}}{{end}}',
  },
  { name: 'a split into much', text: '{{splitList "" (repeat 300000 "ab") | len}}' },
  { name: 'sequences', text: '{{seq 0 99999999}}{{untilStep 0 1000000000 1}}' },
  {
    name: 'steps of the largest numbers',
    text: '{{untilStep -9007199254740991 9007199254740991 9007199254740991}}{{seq -9007199254740991 9007199254740991 9007199254740991}}',
  },
  { name: 'random text is switched off', text: '{{randAlphaNum 1000000000}}' },
  { name: 'a template of a megabyte', text: 'a'.repeat(1024 * 1024) },
  { name: 'a template of more', text: 'a'.repeat(1024 * 1024 + 1) },
]
