#!/usr/bin/env bash
# build.sh OUT_DIR CACHE_DIR : makes vmlinuz-x86_64 and initramfs-x86_64, the system that ironwake's machines run in RAM.
# Needs the packages of packages.txt, node and node_modules; no root. A second run with the same inputs does nothing and
# needs no network. IRONWAKE_REFRESH=1 looks for newer packages. See docs/netboot-os.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(dirname "$here")
out=${1:?an output folder} cache=${2:?a cache folder}
mkdir -p "$out" "$cache"
out=$(cd "$out" && pwd) cache=$(cd "$cache" && pwd)
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C
umask 022
. "$here/apt.sh"

suite=bookworm
level=${IRONWAKE_ZSTD_LEVEL:-12}
list() { sed 's/#.*//' "$here/$1" | awk 'NF { print $1 }'; }
say() { echo "netboot OS: $*"; }
fail() { echo "netboot OS: $*" >&2; exit 1; }

for tool in apt-get dpkg-deb cpio zstd depmod strip node; do
  command -v $tool > /dev/null || fail "$tool is missing on this host (packages: $(list packages.txt | tr '\n' ' '))"
done
[ -x "$project/node_modules/.bin/esbuild" ] || fail "node_modules is missing: run npm ci first"
[ "$(node -p process.arch)" = x64 ] || fail "the netboot OS takes this host's node and is made for x86_64 only"

work=$(mktemp -d "${TMPDIR:-/tmp}/ironwake-os.XXXXXX")
trap 'rm -rf "$work"' EXIT

bundle() {
  # From the project's folder, because the paths of the sources are part of what esbuild writes.
  (cd "$project" && node_modules/.bin/esbuild src/agent/main.ts --bundle --platform=node --target=node20 \
    --format=esm --minify-whitespace --minify-syntax --log-level=warning --outfile="$1" \
    --banner:js="import{createRequire}from'node:module';const require=createRequire(import.meta.url);")
}

# PACKAGE=VERSION of everything that goes in, kept from the first build on.
lock=$cache/versions-$(list debian.txt | sha256sum | cut -c1-12).txt
resolve() {
  local kernel package version
  say "reading $suite's package lists from $(apt_mirror)"
  apt_prepare $suite "$cache/apt-$suite"
  apt_update
  kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
  [ -n "$kernel" ] || fail "linux-image-amd64 was not found in $suite"
  for package in "$kernel" $(list debian.txt); do
    version=$(apt_version "$package")
    [ -n "$version" ] || fail "package $package was not found in $suite"
    echo "$package=$version"
  done > "$lock.next"
  mv "$lock.next" "$lock"
}
[ -n "${IRONWAKE_REFRESH:-}" ] && rm -f "$lock"
[ -s "$lock" ] || resolve

agent=$work/main.js
bundle "$agent"
node_binary=$(readlink -f "$(node -p process.execPath)")
stamp=$({
  cat "$lock" "$here"/{build.sh,apt.sh,init,hotplug,udhcpc.script,modules.txt,programs.txt}
  cat "$agent" "$project/proto/ironwake/v1/agent.proto"
  node -p 'process.version + " " + require(process.argv[1]).version' "$project/package.json"
  stat -c '%s %Y' "$node_binary"
  echo "$level"
} | sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/.netboot-os-stamp" 2> /dev/null)" = "$stamp" ] && [ -s "$out/vmlinuz-x86_64" ] && [ -s "$out/initramfs-x86_64" ]; then
  say "up to date"
  exit
fi

mapfile -t packages < "$lock"
deb_of() { compgen -G "$cache/debs/${1%%=*}_$(printf %s "${1#*=}" | sed 's/:/%3a/g')_*.deb" | head -n 1; }
for package in "${packages[@]}"; do
  [ -n "$(deb_of "$package")" ] && continue
  apt_prepare $suite "$cache/apt-$suite"
  apt_fetch "$cache/debs" "${packages[@]}" || { resolve && mapfile -t packages < "$lock" && apt_fetch "$cache/debs" "${packages[@]}"; }
  break
done

say "unpacking ${#packages[@]} packages"
debian=$work/debian root=$work/root
mkdir -p "$debian" "$root"/{dev,proc,sys,run,tmp,mnt,root,etc/ironwake,usr/{bin,sbin,lib64,lib/x86_64-linux-gnu}}
for package in "${packages[@]}"; do dpkg-deb -x "$(deb_of "$package")" "$debian"; done
for folder in bin sbin lib lib64; do ln -s usr/$folder "$root/$folder"; done

kernel=$(basename "$(echo "$debian"/lib/modules/*)")
libraries=$debian/lib/x86_64-linux-gnu:$debian/usr/lib/x86_64-linux-gnu
loader=$(readlink -f "$debian/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
cp "$loader" "$root/usr/lib64/ld-linux-x86-64.so.2"

# add_libraries PROGRAM : the shared libraries it needs, all of Debian's
add_libraries() {
  local needed
  needed=$("$loader" --library-path "$libraries" --list "$1") || fail "$1: $needed"
  case $needed in *"not found"*) fail "$1 needs a library that debian.txt lacks: $needed" ;; esac
  echo "$needed" | grep -o '=> /[^ ]*' | cut -c4- | while read -r file; do
    case $file in "$debian"/*) cp -Lu "$file" "$root/usr/lib/x86_64-linux-gnu/" ;; *) fail "$1 takes $file from the host" ;; esac
  done
}

find_program() {
  local folder
  for folder in bin sbin usr/bin usr/sbin; do
    [ -e "$debian/$folder/$1" ] && { readlink -f "$debian/$folder/$1"; return; }
  done
  fail "no package of debian.txt has the program $1"
}

cp "$debian/bin/busybox" "$root/usr/bin/busybox"
"$debian/bin/busybox" --list | grep -vx busybox | while read -r name; do ln -s busybox "$root/usr/bin/$name"; done
ln -s ../bin/busybox "$root/usr/sbin/modprobe" # the kernel calls /sbin/modprobe
for name in $(list programs.txt); do
  program=$(find_program "$name")
  rm -f "$root/usr/bin/$name"
  cp -L "$program" "$root/usr/bin/$name"
  add_libraries "$program"
done
ln -s mke2fs "$root/usr/bin/mkfs.ext4"

say "adding node $(node -v) and the agent"
strip --strip-all -o "$root/usr/bin/node" "$node_binary"
if "$loader" --library-path "$libraries" "$node_binary" -e 0 2> /dev/null; then
  add_libraries "$node_binary"
else
  # This host's node needs newer or other libraries than Debian's: it gets the host's, in a folder of its own.
  own=$root/usr/lib/node-libraries
  mkdir -p "$own"
  ldd "$node_binary" | grep -oE '/[^ ]+' | sort -u | while read -r file; do cp -L "$file" "$own/"; done
  mv "$root/usr/bin/node" "$own/node"
  printf '#!/bin/sh\nd=/usr/lib/node-libraries\nexec $d/ld-linux-x86-64.so.2 --library-path $d $d/node "$@"\n' > "$root/usr/bin/node"
  chmod 755 "$root/usr/bin/node"
fi
home=$root/usr/lib/ironwake
mkdir -p "$home/dist/agent" "$home/proto/ironwake/v1"
cp "$agent" "$home/dist/agent/main.js"
cp "$project/proto/ironwake/v1/agent.proto" "$home/proto/ironwake/v1/"
node -p 'const { name, version } = require(process.argv[1]); JSON.stringify({ name, version, type: "module" })' \
  "$project/package.json" > "$home/package.json"

say "adding modules of kernel $kernel"
mkdir "$work/kernel" "$work/kernel/usr"
mv "$debian/lib" "$work/kernel/usr/lib"
ln -s usr/lib "$work/kernel/lib"
depmod -b "$work/kernel" "$kernel"
all=$work/kernel/usr/lib/modules/$kernel
mods=$root/usr/lib/modules/$kernel
mkdir -p "$mods"
list modules.txt | awk -v dep="$all/modules.dep" -v builtin="$all/modules.builtin" '
  function name(path) { sub(/.*\//, "", path); sub(/\.ko.*/, "", path); gsub(/-/, "_", path); return path }
  BEGIN {
    while ((getline line < builtin) > 0) inside[name(line)] = 1
    while ((getline line < dep) > 0) { split(line, half, ":"); files[name(half[1])] = half[1] half[2] }
  }
  { wanted = name($1) }
  wanted in files { print files[wanted]; next }
  !(wanted in inside) { print "modules.txt: this kernel has no module " $1 > "/dev/stderr"; failed = 1 }
  END { exit failed }' | tr ' ' '\n' | sed '/^$/d' | sort -u > "$work/modules"
while read -r file; do
  mkdir -p "$mods/$(dirname "$file")"
  cp "$all/$file" "$mods/$file"
done < "$work/modules"
cp "$all"/modules.{order,builtin,builtin.modinfo} "$mods/"
depmod -b "$root" "$kernel"
rm -f "$mods"/*.bin "$mods/modules.symbols" # busybox reads the text files only

install -m 0755 "$here/init" "$root/init"
install -m 0755 "$here/hotplug" "$root/usr/sbin/hotplug"
install -m 0755 "$here/udhcpc.script" "$root/usr/lib/ironwake/udhcpc.script"
echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
echo 'root:x:0:' > "$root/etc/group"
echo '127.0.0.1 localhost' > "$root/etc/hosts"
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
ln -s ../proc/mounts "$root/etc/mtab"
: > "$root/whole" # sorts last
# The kernel package's date: the clock of a machine without battery starts here.
epoch=$(stat -c %Y "$debian/boot/vmlinuz-$kernel")
version=$(node -p 'require(process.argv[1]).version' "$project/package.json")
printf 'VERSION=%s\nKERNEL=%s\nNODE=%s\nBUILD_EPOCH=%s\n' "$version" "$kernel" "$(node -v)" "$epoch" > "$root/etc/ironwake/os"

say "packing (zstd -$level)"
find "$root" -exec touch -h -d "@$epoch" {} +
(cd "$root" && find . -print0 | sort -z | cpio --null --quiet -o -H newc --owner 0:0 --reproducible) > "$work/initramfs"
zstd -q -T0 "-$level" "$work/initramfs" -o "$work/initramfs.zst"
rm -f "$out/.netboot-os-stamp"
install -m 0644 "$debian/boot/vmlinuz-$kernel" "$out/vmlinuz-x86_64.next"
install -m 0644 "$work/initramfs.zst" "$out/initramfs-x86_64.next"
mv "$out/vmlinuz-x86_64.next" "$out/vmlinuz-x86_64"
mv "$out/initramfs-x86_64.next" "$out/initramfs-x86_64"
{ cat "$root/etc/ironwake/os"; cat "$lock"; } > "$out/netboot-os.txt"
echo "$stamp" > "$out/.netboot-os-stamp"
size() { du -m --apparent-size "$1" | cut -f1; }
say "done: vmlinuz $(size "$out/vmlinuz-x86_64") MB, initramfs $(size "$out/initramfs-x86_64") MB ($(size "$work/initramfs") MB in RAM), kernel $kernel"
