#!/bin/bash
# signed.sh OUT CACHE: Debian's signed boot loaders for x64 UEFI under the names by which firmware and shim ask for them:
# shimx64.efi (signed by Microsoft), grubx64.efi (GRUB that reads its files by TFTP, signed by Debian), mmx64.efi.
set -euo pipefail
umask 022
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$1 cache=$2
# shellcheck source=../../os/apt.sh
. "$here/../../os/apt.sh"
work=$(mktemp -d "$cache/.signed.XXXXXX")
trap 'rm -rf "$work"' EXIT
packages=(shim-signed shim-helpers-amd64-signed grub-efi-amd64-signed)
apt_prepare bookworm "$work/apt"
apt_update
specs=()
for package in "${packages[@]}"; do specs+=("$package=$(apt_version "$package")"); done
apt_fetch "$work/debs" "${specs[@]}"
for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
mkdir -p "$out"
install -m 0644 "$work/root/usr/lib/shim/shimx64.efi.signed" "$out/shimx64.efi"
install -m 0644 "$work/root/usr/lib/shim/mmx64.efi.signed" "$out/mmx64.efi"
install -m 0644 "$work/root/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed" "$out/grubx64.efi"
