#!/bin/bash
# boot.sh DIR MAC AGENT: one boot of a machine that is a process: the first process of a PID and mount namespace of its
# own, in the network namespace of the machine, whose card is called nic0. It asks DHCP as iPXE does, fetches its script and its
# identity, and keeps the agent running as the netboot OS does. Ends with 0 when the script sends it to its disk.
set -u
dir=$1 mac=$2 agent=$3
PATH=$dir/bin:$PATH
mount -t proc proc /proc
mount --bind "$dir/boot_id" /proc/sys/kernel/random/boot_id
rm -rf "$dir/run" "$dir/identity"
mkdir -p "$dir/run" "$dir/identity"

# 77 user class "iPXE", 93 architecture 0 (BIOS)
until busybox udhcpc -i nic0 -n -q -f -t 3 -T 1 -s "$dir/bin/lease" -V PXEClient:Arch:00000:UNDI:002001 \
  -x 0x4d:69505845 -x 0x5d:0000 > /dev/null 2>&1; do sleep 0.2; done
url=$(cat "$dir/boot_file")
until curl -sf -o "$dir/script" "$url"; do sleep 0.2; done
grep -q '^kernel ' "$dir/script" || { echo "machine: boots its disk"; exit 0; }
identity=$(sed -n 's/^initrd --name identity.cpio \(http[^ ]*\) .*/\1/p' "$dir/script")
identity=${identity//'${mac}'/$mac}
(cd "$dir/identity" && curl -sf "$identity" | cpio -id --quiet)
echo "machine: netboot OS"
while :; do
  node --no-deprecation "$agent" --boot "$dir/identity/etc/ironwake/boot.json" --run "$dir/run"
  echo "machine: the agent ended with code $?"
  sleep 0.3
done
