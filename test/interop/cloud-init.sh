#!/usr/bin/env bash
# cloud-init.sh SUITE : prints the folder of a Debian SUITE with cloud-init and netplan in it, unpacked and never
# configured, below $IRONWAKE_CACHE (default ~/.cache/ironwake). Made once. Needs root, mmdebstrap and a Debian mirror.
set -euo pipefail
umask 022
suite=${1:?bookworm or trixie}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../os/apt.sh
. "$here/../../os/apt.sh"
key=$(sha256sum "$0" | cut -c1-16)
all=${IRONWAKE_CACHE:-${HOME:-/root}/.cache/ironwake}/cloud-init
dir=$all/$key-$suite
mkdir -p "$all"
exec 9>"$all/lock"
flock 9
if [ ! -e "$dir" ]; then
  work=$(mktemp -d "$all/.new-XXXXXX")
  trap 'rm -rf --one-file-system "$work"' EXIT
  chmod 755 "$work"
  packages=cloud-init,netplan.io,udev,bash,dash,coreutils,grep,sed,mawk,util-linux,mount,hostname,iproute2,libc-bin
  mmdebstrap --mode=root --variant=extract --quiet \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/*/*' --dpkgopt='path-include=/usr/share/netplan/*' \
    --dpkgopt='path-include=/usr/share/python3/*' --dpkgopt='path-include=/usr/share/ca-certificates/*' \
    --include=$packages "$suite" "$work/root" "$(apt_mirror)" >&2
  # What the packages' own scripts would have written.
  printf 'root:x:0:0:root:/root:/bin/bash\n' >"$work/root/etc/passwd"
  printf 'root:x:0:\nadm:x:4:\nsyslog:x:105:\n' >"$work/root/etc/group"
  mkdir -p "$work/root/etc/ssl/certs"
  cat "$work"/root/usr/share/ca-certificates/mozilla/*.crt >"$work/root/etc/ssl/certs/ca-certificates.crt"
  chroot "$work/root" /sbin/ldconfig
  [ -e "$work/root/bin/sh" ] || ln -s dash "$work/root/bin/sh"
  rm -rf "$work/root/var/cache/apt" "$work/root/var/lib/apt"
  mv "$work/root" "$dir"
  for old in "$all"/*-"$suite"; do [ "$old" = "$dir" ] || rm -rf --one-file-system "$old"; done
fi
echo "$dir"
