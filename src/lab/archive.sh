#!/bin/bash
# archive.sh IMAGE OUT: makes OUT/debian-12.tar.zst and its .sha256: the root file system of the demo's disk image IMAGE
# (debian-12.raw.zst, see image/build.sh) with GRUB for BIOS machines in it, as a tar archive for archive2disk. Needs root
# and an overlay file system; its mounts are in a namespace of their own and end with it.
set -euo pipefail
umask 022
if [ "${3:-}" != inside ]; then exec unshare --mount --propagation private bash "$0" "$1" "$2" inside; fi
image=$1 out=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../os/apt.sh
. "$here/../../os/apt.sh"
root_start=86016

mkdir -p "$out"
work=$(mktemp -d "$out/.archive-XXXXXX")
trap 'umount "$work/root" "$work/lower" 2> /dev/null; rm -rf --one-file-system "$work"' EXIT
mkdir "$work"/{lower,upper,changes,root,debs}

zstd -q -d "$image" -o "$work/disk.raw"
mount -o ro,loop,offset=$((root_start * 512)) "$work/disk.raw" "$work/lower"
mount -t overlay -o "lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/changes" root "$work/root"

apt_prepare bookworm "$work/apt" amd64
apt_update
for package in grub-common grub2-common grub-pc-bin libefiboot1 libefivar1 libdevmapper1.02.1; do
  apt_fetch "$work/debs" "$package=$(apt_version $package)"
done
# /lib and others are links in the tree, folders in packages.
for deb in "$work"/debs/*.deb; do
  dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$work/root" --exclude='./usr/share/doc*'
done
chroot "$work/root" ldconfig
chroot "$work/root" grub-install --version
rm -f "$work/root/boot/grub.cfg"
tar -C "$work/root" --numeric-owner --xattrs --one-file-system -cf - . | zstd -q -T0 -3 -o "$work/debian-12.tar.zst"
(cd "$work" && sha256sum debian-12.tar.zst > debian-12.tar.zst.sha256)
mv "$work"/debian-12.tar.zst* "$out/"
