#!/usr/bin/env bash
# cloud-init-boot.sh TREE COMMAND_LINE [CONFIG] : runs what a boot of TREE runs of cloud-init (ds-identify, the local, the
# network and the final stage) and prints, as one JSON object, the files that it wrote. TREE stays as it is. Runs in the
# network namespace it is called in, and in a mount, UTS and PID namespace of its own.
# COMMAND_LINE is the kernel's; CONFIG the text of a file in /etc/cloud/cloud.cfg.d.
set -euo pipefail
if [ "${IRONWAKE_INSIDE:-}" != 1 ]; then
  IRONWAKE_INSIDE=1 exec unshare --mount --propagation private --uts --pid --fork --kill-child "$0" "$@"
fi
root=$1 command_line=$2 config=${3:-}
mount --bind "$root" "$root"
etc=$(mktemp -d)
cp -a "$root/etc/." "$etc"
for dir in run tmp root var etc dev; do mount -t tmpfs -o mode=0755 "$dir" "$root/$dir"; done
cp -a "$etc/." "$root/etc"
rm -rf --one-file-system "$etc"
mkdir -p "$root"/var/{lib/cloud,log,tmp} "$root"/etc/{netplan,cloud/cloud.cfg.d}
for device in null zero random urandom; do touch "$root/dev/$device" && mount --bind "/dev/$device" "$root/dev/$device"; done
mount -t proc proc "$root/proc"
mount --bind /sys "$root/sys"
mount -o remount,bind,ro "$root/sys"
mount -o remount,bind,ro "$root"

echo "$command_line" >"$root/run/cmdline"
mount --bind "$root/run/cmdline" "$root/proc/cmdline"
echo "$config" >"$root/etc/cloud/cloud.cfg.d/50-site.cfg"
# Of what cloud-init does with its data, that which an unconfigured tree can bear.
cat >"$root/etc/cloud/cloud.cfg.d/99-modules.cfg" <<'END'
cloud_init_modules: [ write-files, set_hostname ]
cloud_final_modules: [ phone-home ]
END
cat >"$root/run/boot" <<'END'
/usr/lib/cloud-init/ds-identify --force
cloud-init init --local
cloud-init init
cloud-init modules --mode=final
END
chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 bash /run/boot >"$root/run/output" 2>&1 || true
chroot "$root" /usr/bin/env -i PATH=/usr/bin LC_ALL=C.UTF-8 python3 -c '
import glob, json
names = ["/run/output", "/etc/hostname", "/var/log/cloud-init.log", "/var/lib/cloud/data/instance-id"]
for pattern in ["/etc/netplan/*", "/etc/ironwake/*", "/run/systemd/network/*", "/run/cloud-init/*.json",
    "/run/cloud-init/cloud.cfg", "/var/lib/cloud/instance/*-data.txt"]:
    names += sorted(glob.glob(pattern))
print(json.dumps({name: open(name, errors="replace").read() for name in names if glob.glob(name)}))
'
