#!/bin/bash
# build.sh OUT [CACHE [amd64|arm64]]: builds OUT/debian-12.raw.zst and its .sha256: Debian 12 with cloud-init for BIOS and
# UEFI machines. GPT: 1 boot loader of BIOS machines (1 MiB), 2 EFI system partition (40 MiB), 3 root (ext4, label root).
# Needs root, mmdebstrap, sfdisk, mtools, mke2fs, GRUB's images. Mounts nothing and uses no loop device: every file
# system is written straight into its place in the file. Another processor's packages are set up by qemu-user-static,
# which the kernel is told of (binfmt_misc) for that time.
set -euo pipefail
umask 022
out=$1 architecture=${3:-amd64}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../../os/apt.sh
. "$here/../../../os/apt.sh"
mirror=$(apt_mirror)
packages=systemd-sysv,udev,dbus,kmod,iproute2,linux-image-cloud-$architecture,initramfs-tools,lz4,zstd,cloud-init
packages+=,cloud-guest-utils,fdisk,e2fsprogs,openssh-server,login,passwd,ca-certificates

sector=512
bios_start=2048 bios_size=2048
esp_start=4096 esp_size=81920
root_start=86016

mkdir -p "$out"
work=$(mktemp -d "$out/.build-XXXXXX")
chmod 755 "$work"
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
image=$work/debian-12.raw

case $architecture in
amd64) efi_target=x86_64-efi efi_name=BOOTX64.EFI console=ttyS0 interpreter='' ;;
arm64) efi_target=arm64-efi efi_name=BOOTAA64.EFI console=ttyAMA0 interpreter=aarch64 ;;
*) echo "architecture $architecture: amd64 or arm64" >&2; exit 2 ;;
esac
grub=/usr/lib/grub/$efi_target
[ "$(dpkg --print-architecture)" != "$architecture" ] || interpreter=''

# Lets the kernel start this processor's programs by qemu-user-static, unless it does so already.
emulate() {
  local place=/proc/sys/fs/binfmt_misc name=ironwake-$interpreter
  mountpoint -q $place || mount -t binfmt_misc binfmt_misc $place
  if grep -qs "^magic 7f454c460201010000000000000000000200b700" $place/*; then return; fi
  trap 'echo -1 > '"$place/$name"'; rm -rf --one-file-system "$work"' EXIT
  sed "s,^:[^:]*:,:$name:,; s,:/[^:]*:[A-Z]*\$,:/usr/bin/qemu-$interpreter-static:OCF," \
    /usr/lib/binfmt.d/qemu-$interpreter.conf > $place/register
}

# GRUB's modules for another processor come from its own package.
foreign_grub() (
  apt_prepare bookworm "$work/apt" "$architecture"
  apt_update
  apt_fetch "$work/debs" "grub-efi-$architecture-bin=$(apt_version "grub-efi-$architecture-bin")"
  dpkg-deb -x "$work"/debs/grub-efi-*.deb "$work/grub"
)

bootstrap() {
  SOURCE_DATE_EPOCH=1700000000 mmdebstrap --mode=root --variant=minbase --quiet --architectures="$architecture" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/i18n/*' \
    --include="$packages" \
    --essential-hook="bash '$here/customize.sh' essential \"\$1\" $console" \
    --customize-hook="bash '$here/customize.sh' final \"\$1\" $console" \
    bookworm "$root" "$mirror"
}

partition() {
  local root_mib=$1
  truncate -s $((1 + 1 + 40 + root_mib + 1))M "$image"
  sfdisk --quiet "$image" <<END
label: gpt
start=$bios_start, size=$bios_size, type=21686148-6449-6E6F-744E-656564454649, name=bios
start=$esp_start, size=$esp_size, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=esp
start=$root_start, size=$((root_mib * 2048)), type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root
END
}

# Both boot loaders carry this one configuration: it finds the root by its label, whatever disk it is on.
loaders() {
  local common='part_gpt ext2 linux normal configfile search search_label echo serial boot'
  printf 'search --no-floppy --label root --set root\nconfigfile /boot/grub.cfg\n' >"$work/early.cfg"
  # shellcheck disable=SC2086
  [ "$architecture" != amd64 ] ||
    grub-mkimage -O i386-pc -p /boot/grub -c "$work/early.cfg" -o "$work/core.img" biosdisk $common
  # shellcheck disable=SC2086
  grub-mkimage -d "$grub" -O $efi_target -p /EFI/BOOT -c "$work/early.cfg" -o "$work/$efi_name" fat $common
}

esp() {
  local at="$image@@$((esp_start * sector))"
  mformat -i "$at" -T $esp_size -h 255 -s 63 -F -c 1 -H $esp_start -v ESP ::
  mmd -i "$at" ::/EFI ::/EFI/BOOT
  mcopy -i "$at" "$work/$efi_name" ::/EFI/BOOT/
}

# No journal: the image is written once, and its first boot is what the demo waits for.
root_partition() {
  mke2fs -q -t ext4 -L root -m 1 -O '^orphan_file,^metadata_csum_seed,^has_journal' \
    -E "offset=$((root_start * sector)),nodiscard,lazy_itable_init=0" -d "$root" "$image" "$1M"
}

# Writes VALUE as 64 bits, little endian, at byte OFFSET of FILE.
poke() {
  local value=$1 offset=$2 file=$3 bytes='' i
  for ((i = 0; i < 8; i++)); do bytes+=$(printf '\\x%02x' $(((value >> (8 * i)) & 255))); done
  printf '%b' "$bytes" | dd of="$file" bs=1 seek="$offset" conv=notrunc status=none
}

# What grub-install does for the BIOS, on a file: boot.img (offset 92: sector of core.img; 102: the jump that would
# override the drive the BIOS named, replaced by two NOPs) and core.img (offset 500: sector of its own second block).
bios_loader() {
  cp /usr/lib/grub/i386-pc/boot.img "$work/boot.img"
  poke $bios_start 92 "$work/boot.img"
  printf '\x90\x90' | dd of="$work/boot.img" bs=1 seek=102 conv=notrunc status=none
  poke $((bios_start + 1)) 500 "$work/core.img"
  dd if="$work/core.img" of="$image" bs=$sector seek=$bios_start conv=notrunc status=none
  dd if="$work/boot.img" of="$image" bs=440 count=1 conv=notrunc status=none
}

if [ -n "$interpreter" ]; then
  emulate
  foreign_grub
  grub=$work/grub/usr/lib/grub/$efi_target
fi
bootstrap
root_mib=$(($(du -sm "$root" | cut -f1) * 112 / 100 + 40))
partition $root_mib
loaders
esp
root_partition $root_mib
if [ "$architecture" = amd64 ]; then bios_loader; fi
zstd -q -T0 -9 "$image" -o "$work/debian-12.raw.zst"
(cd "$work" && sha256sum debian-12.raw.zst >debian-12.raw.zst.sha256)
mv "$work/debian-12.raw.zst" "$work/debian-12.raw.zst.sha256" "$out/"
