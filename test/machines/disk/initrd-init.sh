#!/bin/busybox sh
# The first program of an emulated machine: finds the root file system and hands over to it.
# When it ends, the kernel panics, and `panic=` on its command line decides what comes then.
/bin/busybox mkdir -p /bin
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
exec </dev/console >/dev/console 2>&1

root= fstype=ext4 flags=ro init=/sbin/init watchdog=
for word in $(cat /proc/cmdline); do
  case $word in
    root=*) root=${word#root=} ;;
    rootfstype=*) fstype=${word#rootfstype=} ;;
    rootflags=*) flags=$flags,${word#rootflags=} ;;
    ro | rw) flags=$word ;;
    init=*) init=${word#init=} ;;
    twinslot.watchdog=*) watchdog=${word#twinslot.watchdog=} ;;
  esac
done

# Counts from here: whoever comes later has to open it and feed it, or the machine is reset.
if [ -n "$watchdog" ]; then
  for module in $(cat /modules/watchdogs); do
    case $module in
      i6300esb) insmod "/modules/$module.ko" "heartbeat=$watchdog" ;;
      *) insmod "/modules/$module.ko" ;;
    esac
  done
  if [ -c /dev/watchdog ]; then
    echo -n 1 >/dev/watchdog
    echo "initrd: the watchdog resets this machine in $watchdog s"
  else
    echo "initrd: there is no watchdog"
  fi
fi

for module in $(cat /modules/disks); do
  insmod "/modules/$module.ko" || echo "initrd: cannot load $module"
done

# Bytes of a disk as hexadecimal digits: DISK OFFSET COUNT
bytes() {
  dd if="/dev/$1" bs=1 skip="$2" count="$3" 2>/dev/null | hexdump -v -e '1/1 "%02x"'
}

# Turns the bytes of a little-endian number round.
swap() {
  echo "$1" | sed 's/../& /g' | awk '{ for (at = NF; at > 0; at--) printf "%s", $at }'
}

# PARTUUID of partition NUMBER of DISK, from its table.
partuuid() {
  if [ "$(bytes "$1" 512 8)" = 4546492050415254 ]; then
    guid=$(bytes "$1" $((1024 + ($2 - 1) * 128 + 16)) 16)
    echo "$(swap "${guid:0:8}")-$(swap "${guid:8:4}")-$(swap "${guid:12:4}")-${guid:16:4}-${guid:20:12}"
  else
    printf '%s-%02x\n' "$(swap "$(bytes "$1" 440 4)")" "$2"
  fi
}

by_partuuid() {
  for place in /sys/block/*/*/partition; do
    [ -e "$place" ] || continue
    place=${place%/partition}
    disk=$(basename "$(dirname "$place")")
    [ "$(partuuid "$disk" "$(cat "$place/partition")")" = "$1" ] && echo "/dev/$(basename "$place")" && return
  done
}

find_root() {
  case $root in
    PARTUUID=*) by_partuuid "$(echo "${root#PARTUUID=}" | tr A-F a-f)" ;;
    LABEL=* | UUID=*) findfs "$root" 2>/dev/null ;;
    /dev/*) [ -b "$root" ] && echo "$root" ;;
  esac
}

seconds() {
  cut -d. -f1 /proc/uptime
}

end=$(($(seconds) + 10))
until device=$(find_root) && [ -n "$device" ]; do
  if [ "$(seconds)" -ge "$end" ]; then
    echo "initrd: there is no root file system $root"
    exit 1
  fi
  sleep 0.1
done

if ! mount -t "$fstype" -o "$flags" "$device" /newroot; then
  echo "initrd: cannot mount $device"
  exit 1
fi
if [ ! -x "/newroot$init" ] && [ ! -L "/newroot$init" ]; then
  echo "initrd: $device has no $init"
  exit 1
fi
for place in dev proc sys; do
  mount --move "/$place" "/newroot/$place" || umount -l "/$place"
done
exec switch_root /newroot "$init"
