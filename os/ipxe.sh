#!/usr/bin/env bash
# ipxe.sh OUT_DIR CACHE_DIR : puts iPXE's boot programs into OUT_DIR (undionly.kpxe, ipxe.efi, snponly.efi,
# ipxe-arm64.efi, …). From Debian trixie whatever this host runs: older ones hang on `exit` under UEFI and have no ARM64.
set -euo pipefail
export LC_ALL=C
umask 022
unset CDPATH
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?an output folder} cache=${2:?a cache folder}
mkdir -p "$out" "$cache"
out=$(cd "$out" && pwd) cache=$(cd "$cache" && pwd)
. "$here/apt.sh"
say() { echo "iPXE: $*"; }
fail() { echo "iPXE: $*" >&2; exit 1; }
need_programs iPXE flock:util-linux

suite=trixie lock=$cache/ipxe-version.txt
if [ -n "${IRONWAKE_REFRESH:-}" ] || [ ! -s "$lock" ]; then
  say "reading $suite's package lists from $(apt_mirror)"
  cache_lock "$cache"
  apt_prepare $suite "$cache/apt-$suite"
  apt_update
  version=$(apt_version ipxe)
  [ -n "$version" ] || fail "$suite has no package ipxe at this mirror"
  echo "ipxe=$version" > "$lock.next"
  mv "$lock.next" "$lock"
  cache_unlock
fi
package=$(cat "$lock")
files=(undionly.kpxe ipxe.efi snponly.efi)
in_place() {
  local file
  for file in "${files[@]}"; do [ -s "$1/$file" ] || return; done
}
stamp=$(cat "$lock" "$here/ipxe.sh" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/.ipxe-stamp" 2> /dev/null)" = "$stamp" ] && in_place "$out"; then
  say "up to date in $out ($package)"
  exit
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/ironwake-ipxe.XXXXXX")
trap 'rm -rf "$work"' EXIT
if ! deb_of "$cache/debs" "$package" > /dev/null; then
  cache_lock "$cache"
  apt_prepare $suite "$cache/apt-$suite"
  apt_fetch "$cache/debs" "$package" || fail "$package could not be downloaded from $(apt_mirror)"
  cache_unlock
fi
dpkg-deb -x "$(deb_of "$cache/debs" "$package")" "$work"
in_place "$work/usr/lib/ipxe" || fail "$package lacks one of ${files[*]}"
made=()
for file in "$work"/usr/lib/ipxe/*; do
  name=$(basename "$file")
  case $name in *.kpxe | *.pxe | *.efi | *.lkrn) ;; *) continue ;; esac
  install -m 0644 "$(readlink -f "$file")" "$out/.$name.$$"
  mv "$out/.$name.$$" "$out/$name"
  made+=("$name")
done
echo "$stamp" > "$out/.ipxe-stamp"
say "done: ${made[*]} of $package, in $out"
