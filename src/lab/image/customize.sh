#!/bin/bash
# customize.sh STAGE ROOT CONSOLE: settings of the demo image, made in its root directory while the packages are being
# installed. CONSOLE is its serial port's name.
#   essential  before the packages: what the kernel's initramfs is built from
#   final      after them: network, cloud-init, boot loader menu, start-up
set -euo pipefail
stage=$1 console=$3
cd "$2"

# A list of drivers keeps the initramfs at 7 MB, and still finds its disk on most virtual and physical machines.
essential() {
  mkdir -p etc/initramfs-tools/conf.d etc/systemd/network
  printf '%s\n' MODULES=list COMPRESS=lz4 RESUME=none >etc/initramfs-tools/conf.d/small
  printf '%s\n' virtio_pci virtio_blk virtio_scsi sd_mod nvme ahci ata_piix ext4 crc32c_generic \
    >etc/initramfs-tools/modules
}

# The interface has one name-free rule, so that any card in any slot gets its address. The client identifier is the
# MAC: the server answers a reservation, and a random identifier would look like another machine.
network() {
  cat >etc/systemd/network/50-dhcp.network <<'END'
[Match]
Type=ether
[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
[DHCPv4]
ClientIdentifier=mac
RapidCommit=no
END
  mkdir -p etc/systemd/system/systemd-networkd-wait-online.service.d
  cat >etc/systemd/system/systemd-networkd-wait-online.service.d/any.conf <<'END'
[Service]
ExecStart=
ExecStart=/lib/systemd/systemd-networkd-wait-online --any --ipv4 --timeout=60
END
  echo image >etc/hostname
  rm -f etc/resolv.conf
  : >etc/resolv.conf
}

# Where the metadata service is, is not known here: the installing workflow writes 10_tinkerbell.cfg and ds-identify.cfg.
cloud_init() {
  mkdir -p etc/cloud/cloud.cfg.d
  cat >etc/cloud/cloud.cfg.d/05-image.cfg <<'END'
network: { config: disabled }
ssh_genkeytypes: [ ed25519 ]
cloud_init_modules: [ growpart, resizefs, set_hostname, update_etc_hosts, users-groups, ssh ]
cloud_config_modules: [ set-passwords, runcmd ]
cloud_final_modules: [ scripts-user, phone-home, final-message, power-state-change ]
END
}

# Units that do nothing in this image and cost seconds on an emulated processor.
units() {
  chroot . systemctl enable systemd-networkd systemd-networkd-wait-online "serial-getty@$console" >/dev/null 2>&1
  local unit
  for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    e2scrub_reap.service systemd-binfmt.service sys-kernel-debug.mount sys-kernel-tracing.mount \
    dev-hugepages.mount dev-mqueue.mount modprobe@drm.service modprobe@fuse.service modprobe@configfs.service \
    modprobe@efi_pstore.service systemd-pstore.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service cloud-init-hotplugd.socket systemd-networkd-persistent-storage.service \
    getty@tty1.service rc-local.service cloud-init-local.service systemd-resolved.service; do
    ln -sf /dev/null "etc/systemd/system/$unit"
  done
}

boot_menu() {
  mkdir -p boot
  cat >boot/grub.cfg <<END
linux /vmlinuz root=LABEL=root ro console=tty0 console=$console,115200 quiet loglevel=4
initrd /initrd.img
boot
END
}

final() {
  echo 'LABEL=root / ext4 defaults 0 1' >etc/fstab
  : >etc/machine-id
  network
  cloud_init
  boot_menu
  units
  rm -rf var/lib/apt/lists/* var/cache/apt/* etc/ssh/ssh_host_*
}

"$stage"
