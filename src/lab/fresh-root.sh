#!/bin/bash
# fresh-root.sh DIR COMMAND...: proves that the project sets itself up. Makes a new Debian 12 in DIR, with nothing but
# Node (this machine's) added, clones the project's last commit into it and runs COMMAND there, as in
#   src/lab/fresh-root.sh /var/tmp/fresh npm run demo
# DIR is made once: to begin anew, remove it. What COMMAND installs stays in DIR. Needs root and debootstrap or mmdebstrap.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
mkdir -p "$1"
root=$(cd "$1" && pwd)
shift
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../os/apt.sh
. "$project/os/apt.sh"
say() { echo "fresh root: $*"; }

# Node lies where this machine's lies, so that its own links and its headers' place hold.
copy_node() {
  local prefix part libraries
  prefix=$(node -p 'path.dirname(path.dirname(process.execPath))')
  mkdir -p "$root$prefix/bin" "$root$prefix/lib/node_modules" "$root$prefix/include"
  cp -a "$prefix/bin/node" "$root$prefix/bin/"
  for part in npm npx corepack; do
    if [ -e "$prefix/bin/$part" ]; then cp -a "$prefix/bin/$part" "$root$prefix/bin/"; fi
  done
  cp -a "$prefix/lib/node_modules/npm" "$root$prefix/lib/node_modules/"
  cp -a "$prefix/include/node" "$root$prefix/include/"
  libraries=$(chroot "$root" ldd "$prefix/bin/node" | grep 'not found' || true)
  [ -z "$libraries" ] || { say "Node needs libraries that Debian 12 does not have: $libraries" >&2; exit 1; }
}

make_root() {
  say "installing Debian 12 into $root"
  if command -v debootstrap >/dev/null; then
    debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$(apt_mirror)" >/dev/null
  else
    mmdebstrap --mode=root --variant=minbase --include=ca-certificates --quiet bookworm "$root" "$(apt_mirror)"
  fi
  copy_node
  # The machine's way to package mirrors and registries: names, proxies, certificates it trusts.
  mkdir -p "$root/etc/apt/apt.conf.d"
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  cp -a /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
  chroot "$root" update-ca-certificates >/dev/null
  apt-config dump | grep -iE '^Acquire::.*(proxy|Check)' >"$root/etc/apt/apt.conf.d/50host" || true
  touch "$root/.made"
}

unmount() {
  local place
  for place in dev/pts dev sys proc .; do
    if mountpoint -q "$root/$place"; then umount -l "$root/$place"; fi
  done
}

[ -e "$root/.made" ] || make_root
trap unmount EXIT
# A root that is a mount of its own lets programs inside make mounts private, as on a machine of its own.
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind /sys "$root/sys"
mount --bind /dev "$root/dev"
mountpoint -q /dev/pts && mount --bind /dev/pts "$root/dev/pts"

rm -rf --one-file-system "$root/root/ironwake"
git -c safe.directory='*' clone --quiet --no-hardlinks "$project" "$root/root/ironwake"
say "running: $*"
# Not chroot: a program that enters a mount namespace (setns(2)) would be in the host's root again.
enter='cd "$1" && shift && mkdir -p .host && pivot_root . .host && cd /root/ironwake && umount -l /.host && exec "$@"'
env -i HOME=/root PATH="$PATH" TERM="${TERM:-dumb}" LANG=C.UTF-8 \
  ${NODE_EXTRA_CA_CERTS:+NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt} \
  ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
  unshare --mount bash -c "$enter" fresh-root "$root" "$@" </dev/null
