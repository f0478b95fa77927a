#!/bin/bash
# setup.sh demo|test|long|bench: makes everything that `npm run demo`, `npm test`, `npm run test:long` and `npm run bench`
# need on a Debian or Ubuntu machine that has Node: distribution packages, node_modules, the build and, except for
# benches, the netboot OS, iPXE and the demo's disk image; for long tests also those of arm64 and signed boot loaders. What is made is kept below $IRONWAKE_CACHE (default ~/.cache/ironwake) under a hash of
# what it is made from, so that a second run, or another checkout, finds it. Where the parts are is written to
# .cache/lab.json.
set -euo pipefail
umask 022
mode=${1:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
cache=${IRONWAKE_CACHE:-${HOME:-/root}/.cache/ironwake}
started=$EPOCHREALTIME
export LC_ALL=C.UTF-8

elapsed() { local ms=$(((${EPOCHREALTIME/./} - ${started/./}) / 100000)); echo "$((ms / 10)).$((ms % 10))"; }
say() { printf 'set-up [%6ss] %s\n' "$(elapsed)" "$*"; }
fail() {
  say "$*" >&2
  exit 1
}

# Runs a command with its output in a log file; a failure shows how it began and ended.
quietly() {
  local log="$cache/logs/$1.log"
  shift
  if ! "$@" >"$log" 2>&1 </dev/null; then
    { head -n 20 "$log" && if [ "$(wc -l <"$log")" -gt 20 ]; then tail -n +21 "$log" | tail -n 20; fi; } >&2
    fail "failed: $* (all of its output: $log)"
  fi
}

# One hash over the contents and names of files and folders, and over further words after `--`.
hash_of() {
  local paths=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do paths+=("$1") && shift; done
  { find "${paths[@]}" -type f -print0 | sort -z | xargs -0 -r sha256sum && echo "$@"; } | sha256sum | cut -c1-16
}

require_node() {
  command -v node >/dev/null || fail 'Node is missing: ironwake needs Node 20.19 or newer'
  node -e 'const [a, b] = process.versions.node.split(".").map(Number)
    process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "Node $(node -v) is too old: ironwake needs Node 20.19 or newer"
  command -v npm >/dev/null || fail 'npm is missing: it comes with Node'
}

is_debian() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }
listed() { sed 's/#.*//' "$@" | tr -s ' \t\n' '\n' | sed '/^$/d' | sort -u; }

# The names of those packages that are not installed, in a line.
missing_of() {
  is_debian || { echo "$*" && return; }
  comm -23 <(printf '%s\n' "$@" | sort -u) \
    <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii  *//p' | sort -u) |
    tr '\n' ' ' | sed 's/ $//'
}

apt_get() { DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -q -o DPkg::Lock::Timeout=900 "$@"; }
# The lock on the package lists is not waited for by apt itself.
apt_update() { for _ in 1 2 3 4 5 6; do apt_get update && return || sleep 5; done; return 1; }

# Installs with no daemon started: policy-rc.d says no for the time, then is as it was.
policy=/usr/sbin/policy-rc.d
restore_policy() {
  rm -f $policy
  if [ -e $policy.ironwake ]; then mv $policy.ironwake $policy; fi
}
# Of these packages, those that the distribution has.
known_of() { apt-cache pkgnames 2>/dev/null | sort -u | comm -12 <(printf '%s\n' "$@" | sort -u) - | tr '\n' ' '; }

install_packages() {
  local missing=$1 unknown
  say "packages: installing $missing"
  if [ -e $policy ] && [ ! -e $policy.ironwake ]; then mv $policy $policy.ironwake; fi
  trap restore_policy EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  quietly apt-update apt_update
  if [ "$mode" != demo ]; then
    # shellcheck disable=SC2086
    unknown=$(comm -23 <(printf '%s\n' $missing | sort -u) <(known_of $missing | tr ' ' '\n' | sort -u))
    [ -z "$unknown" ] || say "packages: this distribution does not have" $unknown
    # shellcheck disable=SC2086
    missing=$(known_of $missing)
  fi
  # shellcheck disable=SC2086
  quietly apt-install apt_get -y --no-install-recommends -o Dpkg::Use-Pty=0 install $missing
  restore_policy
  trap - EXIT
  say 'packages: installed'
}

need_packages() {
  local missing
  missing=$(missing_of "$@")
  [ -n "$missing" ] || return 0
  is_debian || fail "only Debian and Ubuntu are set up by this script; please install: $missing"
  [ "$(id -u)" = 0 ] || fail "not root, so please install these first: apt-get install $missing"
  install_packages "$missing"
}

modules_load() { node -e 'new (require("better-sqlite3"))(":memory:").close()' >/dev/null 2>&1; }
modules_current() {
  [ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ] && modules_load
}

# Node's own headers, where they are installed with it, spare node-gyp their download.
use_node_headers() {
  local prefix
  prefix=$(node -p 'path.dirname(path.dirname(process.execPath))')
  if grep -qs "define NODE_MAJOR_VERSION $(node -p 'process.versions.node.split(".")[0]')$" \
    "$prefix/include/node/node_version.h"; then
    export npm_config_nodedir=$prefix
  fi
}

install_modules() {
  modules_current && return
  need_packages python3 make g++ ca-certificates
  use_node_headers
  say 'node_modules: npm ci'
  quietly npm-ci npm ci --no-audit --no-fund
  modules_load || fail 'node_modules: better-sqlite3 does not load'
  say 'node_modules: in place'
}

# tap is put together with the plugins of .taprc; it would do so in mid-run, and that run would fail.
tap_plugins() {
  local key
  key=$(hash_of .taprc package-lock.json)
  [ "$(cat node_modules/.tap-plugins 2>/dev/null)" = "$key" ] && [ -d .tap/plugins ] && return
  say 'tap: putting its plugins together'
  quietly tap-build npx --no tap build
  echo "$key" >node_modules/.tap-plugins
}

build() {
  local key
  key=$(hash_of src tsconfig.json tsconfig.build.json package-lock.json)
  [ "$(cat dist/.key 2>/dev/null)" = "$key" ] && [ -e dist/main.js ] && return
  say 'build: npm run build'
  quietly build npm run build
  echo "$key" >dist/.key
}

# cached NAME KEY COMMAND...: $cache/NAME/KEY is made by `COMMAND... DIR $cache` once. The last three in use are kept.
cached() {
  local name=$1 dir=$cache/$1/$2
  shift 2
  if [ ! -e "$dir/.made" ]; then
    say "$name: building"
    mkdir -p "$dir"
    quietly "$name" "$@" "$dir" "$cache"
    touch "$dir/.made"
    find "$cache/$name" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn | tail -n +4 |
      cut -d' ' -f2- | xargs -r -d '\n' rm -rf --one-file-system
    say "$name: built ($(du -sh "$dir" | cut -f1))"
  fi
  touch "$dir"
}

lab_parts() {
  local node_version arch os ipxe image
  node_version=$(node -v)
  arch=$(uname -m)
  os=$(hash_of os src/agent src/model proto package.json package-lock.json -- "$node_version" "$arch")
  ipxe=$(hash_of os/ipxe.sh os/apt.sh)
  image=$(hash_of src/lab/image -- "${IRONWAKE_DEBIAN_MIRROR:-}")
  cached os "$os" bash os/build.sh
  cached ipxe "$ipxe" bash os/ipxe.sh
  cached image "$image" bash src/lab/image/build.sh
  mkdir -p .cache
  printf '{ "osDir": "%s", "ipxeDir": "%s", "imageDir": "%s" }\n' \
    "$cache/os/$os" "$cache/ipxe/$ipxe" "$cache/image/$image" >.cache/lab.json
  if [ "$mode" = long ]; then long_parts "$os" "$image"; fi
}

# What only the long tests boot: .cache/lab-long.json.
long_parts() {
  local os=$1 image=$2 signed
  signed=$(hash_of src/lab/signed.sh os/apt.sh)
  cached os-arm64 "$os" arm64_os
  cached image-arm64 "$image" arm64_image
  cached signed "$signed" bash src/lab/signed.sh
  printf '{ "arm64": { "osDir": "%s", "imageDir": "%s" }, "signedDir": "%s" }\n' \
    "$cache/os-arm64/$os" "$cache/image-arm64/$image" "$cache/signed/$signed" >.cache/lab-long.json
}
arm64_os() { bash os/build.sh "$1" "$2" aarch64; }
arm64_image() { bash src/lab/image/build.sh "$1" "$2" arm64; }

case $mode in demo | test | long | bench) ;; *) fail 'usage: setup.sh demo|test|long|bench' ;; esac
require_node
mkdir -p "$cache/logs"
exec 9>"$cache/setup.lock"
flock -n 9 || { say 'waiting for another set-up to end' && flock 9; }
lists=(src/lab/packages.txt os/packages.txt)
if [ "$mode" = test ] || [ "$mode" = long ]; then lists+=(test/packages.txt); fi
if [ "$mode" = long ]; then lists+=(test/long/packages.txt); fi
if [ "$mode" = bench ]; then lists=(bench/packages.txt); fi
mapfile -t lab_packages < <(listed "${lists[@]}")
if [ "$mode" = bench ] || { [ "$(id -u)" = 0 ] && is_debian; }; then
  need_packages "${lab_packages[@]}"
elif [ "$mode" = demo ]; then
  missing=$(missing_of "${lab_packages[@]}")
  [ -z "$missing" ] || need_packages "${lab_packages[@]}"
  fail 'the demo makes a network namespace and its own disk images: please run it as root'
fi
install_modules
if [ "$mode" = test ] || [ "$mode" = long ]; then tap_plugins; fi
build
if [ "$mode" = bench ]; then
  say 'everything is in place'
  exit
fi
if [ "$(id -u)" = 0 ] && is_debian; then
  lab_parts
else
  rm -f .cache/lab.json
  say "not root on Debian or Ubuntu: the boot tests will be skipped; they need $(missing_of "${lab_packages[@]}")"
fi
say 'everything is in place'
