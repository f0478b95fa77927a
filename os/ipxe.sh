#!/usr/bin/env bash
# ipxe.sh OUT_DIR CACHE_DIR : puts iPXE's boot programs into OUT_DIR (undionly.kpxe, ipxe.efi, snponly.efi,
# ipxe-arm64.efi, …). From Debian trixie whatever this host runs: older ones hang on `exit` under UEFI and have no ARM64.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?an output folder} cache=${2:?a cache folder}
mkdir -p "$out" "$cache"
out=$(cd "$out" && pwd) cache=$(cd "$cache" && pwd)
. "$here/apt.sh"

lock=$cache/ipxe-version.txt
[ -n "${IRONWAKE_REFRESH:-}" ] && rm -f "$lock"
if [ ! -s "$lock" ]; then
  echo "iPXE: reading trixie's package lists"
  apt_prepare trixie "$cache/apt-trixie"
  apt_update
  version=$(apt_version ipxe)
  [ -n "$version" ] || { echo "iPXE: trixie has no package ipxe at this mirror" >&2; exit 1; }
  apt_fetch "$cache/debs" "ipxe=$version"
  echo "ipxe=$version" > "$lock"
fi
stamp=$(cat "$lock" "$0" | sha256sum | cut -d' ' -f1)
[ "$(cat "$out/.ipxe-stamp" 2> /dev/null)" = "$stamp" ] && { echo "iPXE: up to date ($(cat "$lock"))"; exit; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(cut -d= -f2 "$lock")
deb=$cache/debs/ipxe_$(printf %s "$version" | sed 's/:/%3a/g')_all.deb
if [ ! -f "$deb" ]; then
  apt_prepare trixie "$cache/apt-trixie"
  apt_fetch "$cache/debs" "ipxe=$version"
fi
dpkg-deb -x "$deb" "$work"
for file in "$work"/usr/lib/ipxe/*; do
  case $file in *.kpxe | *.pxe | *.efi | *.lkrn) install -m 0644 "$(readlink -f "$file")" "$out/$(basename "$file")" ;; esac
done
for file in undionly.kpxe ipxe.efi snponly.efi; do
  [ -s "$out/$file" ] || { echo "iPXE: the package has no $file" >&2; exit 1; }
done
echo "$stamp" > "$out/.ipxe-stamp"
echo "iPXE: $(cat "$lock") → $(cd "$out" && ls | tr '\n' ' ')"
