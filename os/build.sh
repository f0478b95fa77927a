#!/usr/bin/env bash
# build.sh OUT_DIR CACHE_DIR [x86_64|aarch64] : makes vmlinuz-ARCH and initramfs-ARCH, the system that ironwake's machines
# run in RAM. Needs the packages of packages.txt, node and node_modules; no root. A second run with the same inputs does
# nothing and needs no network; the same inputs give the same bytes on any host. IRONWAKE_REFRESH=1 looks for newer
# packages, IRONWAKE_NODE names the Node to take, IRONWAKE_NODE_AARCH64 (_X86_64) the one for machines of another
# processor than this host's. See docs/netboot-os.md.
set -euo pipefail
# Nothing of the caller's surroundings may show in what is made.
export LC_ALL=C TZ=UTC0
umask 022
unset CDPATH NODE_OPTIONS NODE_PATH
here=$(cd "$(dirname "$0")" && pwd)
project=$(dirname "$here")
out=${1:?an output folder} cache=${2:?a cache folder} arch=${3:-x86_64}
mkdir -p "$out" "$cache"
out=$(cd "$out" && pwd) cache=$(cd "$cache" && pwd)
PATH=$PATH:/usr/sbin:/sbin
. "$here/apt.sh"

suite=bookworm
level=${IRONWAKE_ZSTD_LEVEL:-12}
say() { echo "netboot OS: $*"; }
fail() { echo "netboot OS: $*" >&2; exit 1; }
# What is for all machines, then what is for those of this architecture.
list() {
  local files=("$here/$1.txt")
  [ ! -e "$here/$1-$arch.txt" ] || files+=("$here/$1-$arch.txt")
  sed 's/#.*//' "${files[@]}" | awk 'NF { print $1 }'
}

case $arch in
x86_64) debian_arch=amd64 npm_arch=x64 loader_path=lib64/ld-linux-x86-64.so.2 strip_package=binutils-x86-64-linux-gnu ;;
aarch64) debian_arch=arm64 npm_arch=arm64 loader_path=lib/ld-linux-aarch64.so.1 strip_package=binutils-aarch64-linux-gnu ;;
*) fail "architecture $arch is not known: x86_64 or aarch64" ;;
esac
# Names in the cache and of the record, in which x86_64 goes without saying.
suffix=
[ $arch = x86_64 ] || suffix=-$debian_arch
debs=$cache/debs$suffix
record=netboot-os.txt stamp_file=.netboot-os-stamp
[ $arch = x86_64 ] || { record=netboot-os-$arch.txt stamp_file=.netboot-os-stamp-$arch; }
triplet=$arch-linux-gnu
is_native=
strip=$triplet-strip
[ "$HOSTTYPE" != $arch ] || is_native=1 strip=strip strip_package=binutils

need_programs 'netboot OS' cpio:cpio zstd:zstd depmod:kmod readelf:binutils "$strip:$strip_package" flock:util-linux
node=${IRONWAKE_NODE:-node}
command -v "$node" > /dev/null || fail "$node is missing on this host"
esbuild=$("$node" -p 'require.resolve("esbuild/bin/esbuild", { paths: [process.argv[1]] })' "$project" 2> /dev/null) ||
  fail "node_modules is missing: run npm ci first"
agent_source=$project/src/agent/main.ts
[ -f "$agent_source" ] || agent_source=$project/dist/agent/main.js

work=$(mktemp -d "${TMPDIR:-/tmp}/ironwake-os.XXXXXX")
trap 'rm -rf "$work"' EXIT

# bundle OUT : the agent as one file. In place of the paths of node_modules, which name the modules in it and differ from
# one installation to the next, go the names of the packages.
bundle() {
  (cd / && "$esbuild" "$agent_source" --bundle --platform=node --target=node20 \
    --format=esm --minify-whitespace --minify-syntax --log-level=warning \
    --banner:js="import{createRequire}from'node:module';const require=createRequire(import.meta.url);") |
    sed -E 's#"[^"]*node_modules/([^"]*)"\(#"\1"(#g' > "$1"
}

# PACKAGE=VERSION of everything that goes in, kept from the first build on.
lock=$cache/versions$suffix-$(list debian | sha256sum | cut -c1-12).txt
resolve() {
  local kernel package version
  say "reading $suite's package lists from $(apt_mirror)"
  apt_prepare $suite "$cache/apt-$suite$suffix" $debian_arch
  apt_update
  kernel=$(apt-cache depends linux-image-$debian_arch | sed -n 's/^ *Depends: //p' | head -n 1)
  [ -n "$kernel" ] || fail "linux-image-$debian_arch was not found in $suite"
  for package in "$kernel" $(list debian); do
    version=$(apt_version "$package")
    [ -n "$version" ] || fail "package $package was not found in $suite"
    echo "$package=$version"
  done > "$lock.next"
  mv "$lock.next" "$lock"
}
if [ -n "${IRONWAKE_REFRESH:-}" ] || [ ! -s "$lock" ]; then
  cache_lock "$cache"
  resolve
  cache_unlock
fi
mapfile -t packages < "$lock"

agent=$work/main.js
bundle "$agent"
# The Node that goes in: this host's own, or for machines of another processor the same version from npm's registry,
# whose integrity npm checks, kept in the cache.
node_version=$("$node" -v)
foreign_node() {
  local package=node-linux-$npm_arch@${node_version#v} kept=$cache/$1 work
  if [ ! -s "$kept" ]; then
    say "downloading $package"
    work=$(mktemp -d "$cache/.node.XXXXXX")
    (cd "$work" && npm pack --silent "$package" > /dev/null && tar -xzf ./*.tgz package/bin/node) ||
      { rm -rf "$work"; fail "$package could not be downloaded with npm; IRONWAKE_NODE_${arch^^} can name a Node for $arch"; }
    mv "$work/package/bin/node" "$kept"
    rm -rf "$work"
  fi >&2
  echo "$kept"
}
named_node=IRONWAKE_NODE_${arch^^}
if [ -n "$is_native" ]; then
  node_binary=$(readlink -f "$("$node" -p process.execPath)")
elif [ -n "${!named_node:-}" ]; then
  node_binary=$(readlink -f "${!named_node}")
  node_version=$(grep -aoEm1 'release/v[0-9.]+/node-v' "$node_binary" | head -n 1 | cut -d/ -f2) || fail "$node_binary is no Node"
else
  node_binary=$(foreign_node "node-$node_version-$arch")
fi
hash() { sha256sum | cut -d' ' -f1; }
node_hash=$(hash < "$node_binary")
package_field() { "$node" -p 'require(process.argv[1])[process.argv[2]]' "$project/package.json" "$1"; }
version=$(package_field version)
tool_name() { case $1 in *strip) echo STRIP ;; *) echo "${1^^}" ;; esac; }
# Everything that the two files are made from, NAME=VALUE a line.
inputs() {
  local tool
  echo "VERSION=$version"
  echo "SOURCES_SHA256=$(cat "$here"/{build.sh,apt.sh,init,hotplug,udhcpc.script,modules.txt,modules-"$arch".txt,programs.txt} "$project/proto/ironwake/v1/agent.proto" | hash)"
  echo "AGENT_SHA256=$(hash < "$agent")"
  echo "NODE=$node_version"
  echo "NODE_SHA256=$node_hash"
  echo "ZSTD_LEVEL=$level"
  for tool in cpio depmod "$strip" zstd; do echo "TOOL_$(tool_name "$tool")=$("$tool" --version | sed -n '1s/^[* ]*//; 1s/[* ]*$//p')"; done
  printf '%s\n' "${packages[@]}"
}
host_libraries() { [ -z "$is_native" ] || ldd "$node_binary" | grep -oE '/[^ ]+' | sort -u; }
stamp_of() { { inputs && host_libraries | xargs -r -d '\n' sha256sum; } | hash; }
stamp=$(stamp_of)
if [ "$(cat "$out/$stamp_file" 2> /dev/null)" = "$stamp" ] && [ -s "$out/vmlinuz-$arch" ] && [ -s "$out/initramfs-$arch" ]; then
  say "up to date in $out"
  exit
fi

# Versions that the mirror no longer has are looked up anew.
fetch() {
  apt_prepare $suite "$cache/apt-$suite$suffix" $debian_arch
  apt_fetch "$debs" "${packages[@]}" && return
  resolve
  mapfile -t packages < "$lock"
  apt_fetch "$debs" "${packages[@]}" || fail "packages could not be downloaded from $(apt_mirror)"
  stamp=$(stamp_of)
}
for package in "${packages[@]}"; do
  deb_of "$debs" "$package" > /dev/null && continue
  cache_lock "$cache"
  fetch
  cache_unlock
  break
done

say "unpacking ${#packages[@]} packages"
debian=$work/debian root=$work/root
mkdir -p "$debian" "$root"/{dev,proc,sys,run,tmp,mnt,root,etc/ironwake,usr/{bin,sbin,lib64,lib/$triplet}}
for package in "${packages[@]}"; do dpkg-deb -x "$(deb_of "$debs" "$package")" "$debian"; done
for folder in bin sbin lib lib64; do ln -s usr/$folder "$root/$folder"; done

kernel=$(basename "$(echo "$debian"/lib/modules/*)")
libraries=lib/$triplet:usr/lib/$triplet # below $debian, whose own name may hold a colon
loader=$(readlink -f "$debian/$loader_path")
cp "$loader" "$root/usr/$loader_path"

# add_libraries PROGRAM : the shared libraries it needs, all of Debian's. Read, not run: it may be another processor's.
add_libraries() {
  local name file
  for name in $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'); do
    [ "$name" != "${loader_path##*/}" ] || continue # in its place already
    [ ! -e "$root/usr/lib/$triplet/$name" ] || continue
    file=$(find_library "$name") || fail "$1 needs a library that debian.txt lacks: $name"
    cp -L "$file" "$root/usr/lib/$triplet/$name"
    add_libraries "$file"
  done
}

find_library() {
  local folder
  for folder in lib usr/lib; do
    [ -e "$debian/$folder/$triplet/$1" ] && { readlink -f "$debian/$folder/$triplet/$1"; return; }
  done
  return 1
}

find_program() {
  local folder
  for folder in bin sbin usr/bin usr/sbin; do
    [ -e "$debian/$folder/$1" ] && { readlink -f "$debian/$folder/$1"; return; }
  done
  fail "no package of debian.txt has the program $1"
}

# applets BUSYBOX : what `busybox --list` prints, read from its table of names, which begins with [ and [[.
applets() {
  tr '\0' '\n' < "$1" | awk '$0 == "[[" && !count { inside = 1; print "[" } $0 == "" { inside = 0 }
    inside { print; count++ } END { exit count < 100 }' || fail "the table of names in busybox was not found"
}
cp "$debian/bin/busybox" "$root/usr/bin/busybox"
applets "$debian/bin/busybox" | grep -vx busybox | while read -r name; do ln -s busybox "$root/usr/bin/$name"; done
ln -s ../bin/busybox "$root/usr/sbin/modprobe" # the kernel calls /sbin/modprobe
for name in $(list programs); do
  program=$(find_program "$name")
  rm -f "$root/usr/bin/$name"
  cp -L "$program" "$root/usr/bin/$name"
  add_libraries "$program"
done
ln -s mke2fs "$root/usr/bin/mkfs.ext4"

say "adding node $node_version and the agent"
"$strip" --strip-all -o "$root/usr/bin/node" "$node_binary"
if [ -z "$is_native" ] || (cd "$debian" && "$loader" --library-path "$libraries" "$node_binary" -e 0) 2> /dev/null; then
  add_libraries "$node_binary"
else
  # This host's node needs newer or other libraries than Debian's: it gets the host's, in a folder of its own.
  own=$root/usr/lib/node-libraries
  mkdir -p "$own"
  host_libraries | while read -r file; do cp -L "$file" "$own/"; done
  mv "$root/usr/bin/node" "$own/node"
  printf '#!/bin/sh\nd=/usr/lib/node-libraries\nexec $d/%s --library-path $d $d/node "$@"\n' "${loader_path##*/}" > "$root/usr/bin/node"
  chmod 755 "$root/usr/bin/node"
fi
home=$root/usr/lib/ironwake
mkdir -p "$home/dist/agent" "$home/proto/ironwake/v1"
cp "$agent" "$home/dist/agent/main.js"
cp "$project/proto/ironwake/v1/agent.proto" "$home/proto/ironwake/v1/"
printf '{"name":"%s","version":"%s","type":"module"}\n' "$(package_field name)" "$version" > "$home/package.json"

say "adding modules of kernel $kernel"
mkdir "$work/kernel" "$work/kernel/usr"
mv "$debian/lib" "$work/kernel/usr/lib"
ln -s usr/lib "$work/kernel/lib"
depmod -b "$work/kernel" "$kernel"
all=$work/kernel/usr/lib/modules/$kernel
mods=$root/usr/lib/modules/$kernel
mkdir -p "$mods"
list modules | awk -v dep="$all/modules.dep" -v builtin="$all/modules.builtin" '
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
printf 'VERSION=%s\nKERNEL=%s\nNODE=%s\nBUILD_EPOCH=%s\n' "$version" "$kernel" "$node_version" "$epoch" > "$root/etc/ironwake/os"

say "packing (zstd -$level)"
# Modes come from the checkout, the host and, by set-group-id and default ACLs, from TMPDIR; times from all over.
find "$root" -type d -exec chmod 00755 {} +
find "$root" -type f -perm /100 -exec chmod 00755 {} +
find "$root" -type f ! -perm /100 -exec chmod 00644 {} +
find "$root" -exec touch -h -d "@$epoch" {} +
(cd "$root" && find . -print0 | sort -z | cpio --null --quiet -o -H newc --owner 0:0 --reproducible) > "$work/initramfs"
# zstd's workers all write the same, however many there are.
zstd -q -T0 "-$level" "$work/initramfs" -o "$work/initramfs-$arch"
cp "$debian/boot/vmlinuz-$kernel" "$work/vmlinuz-$arch"
{
  inputs
  [ ! -d "$root/usr/lib/node-libraries" ] || echo "NODE_LIBRARIES_SHA256=$(host_libraries | xargs -d '\n' cat | hash)"
  echo "KERNEL=$kernel"
  echo "BUILD_EPOCH=$epoch"
  (cd "$work" && sha256sum vmlinuz-$arch initramfs-$arch)
} > "$work/$record"
rm -f "$out/$stamp_file"
for file in vmlinuz-$arch initramfs-$arch $record; do
  install -m 0644 "$work/$file" "$out/.$file.$$"
  mv "$out/.$file.$$" "$out/$file"
done
echo "$stamp" > "$out/$stamp_file"
size() { du -m --apparent-size "$1" | cut -f1; }
say "done: kernel $kernel $(size "$out/vmlinuz-$arch") MB, initramfs $(size "$out/initramfs-$arch") MB ($(size "$work/initramfs") MB in RAM), in $out"
