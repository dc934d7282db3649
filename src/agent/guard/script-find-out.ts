/** The head of a guard's script, for whoever finds it. */
export const SCRIPT_HEAD = `#!/bin/sh
# The trial guard of twinslot (an operator that upgrades the operating system of Kubernetes nodes).
#
# Its node agent put this here, with @UNIT@, before slot @SLOT@ was booted. A new
# system is booted once, as a trial, and becomes the default only after the agent has found the
# node healthy. Should the agent never start in it, nobody would end the trial: so this forces a
# reboot @LIMIT@ seconds after the start of the machine, and the boot loader starts the system that
# ran before.
#
# It does nothing, and ends, as soon as this slot is the default: by what the boot loader's
# environment says, or by the agent's own word in its state folder (default-slot.json). It also
# reboots a slot that somebody chose at the boot menu, if the agent does not make it the default in
# that time.
#
#   To stop it until the next boot:  systemctl stop @UNIT@
#   To boot without it:              add twinslot.guard=off to the kernel line at the boot menu
#   To remove it:                    delete this file, @UNITS@/@UNIT@,
#                                    and the links to that in *.target.wants
#
# Nothing else needs these files. What is missing of the programs that it calls is done without.
`;

/**
 * The part of a guard's script that finds out whether its slot is the default. POSIX sh, for dash and busybox alike. It
 * uses what `factsText` puts before it.
 */
export const FIND_OUT = `
NOTE=trial-guard-note
MARK=default-slot.json
# The boot loader itself seems to want this slot if it comes back so often.
MAX_REBOOTS=5

say() {
  echo "<\${2:-5}>twinslot-trial-guard: $1" >"$DEV/kmsg"
} 2>/dev/null

# Seconds since the machine started; a clock that is set does not change them.
now() {
  up=
  read -r up _ <"$PROC/uptime"
  up=\${up%%.*}
  case $up in '' | *[!0-9]*) up=$waited ;; esac
} 2>/dev/null

# Waits for so many seconds, also where sleep is killed or missing.
pause() {
  now
  pause_until=$((up + $1))
  while [ "$up" -lt "$pause_until" ]; do
    sleep "$((pause_until - up))"
    waited=$((waited + pause_until - up))
    now
  done
} 2>/dev/null

# is_mounted POINT: something is mounted there.
is_mounted() {
  [ "$1" = / ] && return 0
  while read -r _ _ _ _ point _; do
    [ "$point" = "$1" ] && return 0
  done <"$PROC/self/mountinfo"
  return 1
} 2>/dev/null

# value_of NAME FILE: the value of the last line NAME=value.
value_of() {
  value=
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in "$1="*) value=\${line#*=} ;; esac
  done <"$2"
} 2>/dev/null

# print_devices PARTUUID UUID NUMBER: what the partition may be called in this boot, the surest name
# first.
print_devices() {
  [ -n "$1" ] && [ -e "$DEV/disk/by-partuuid/$1" ] && echo "$DEV/disk/by-partuuid/$1"
  [ -n "$2" ] && [ -e "$DEV/disk/by-uuid/$2" ] && echo "$DEV/disk/by-uuid/$2"
  if [ -n "$1" ]; then
    for uevent in "$SYS"/class/block/*/uevent; do
      value_of PARTUUID "$uevent"
      [ "$value" = "$1" ] || continue
      value_of DEVNAME "$uevent" && echo "$DEV/$value"
    done
  fi
  # By its number on the disk that the root lies on: needs neither udev nor a new kernel.
  if [ -n "$3" ]; then
    root=
    while read -r _ _ numbers _ point _; do
      [ "$point" = / ] && root=$numbers
    done <"$PROC/self/mountinfo"
    for partition in "$SYS/dev/block/$root"/../*/partition; do
      number=
      read -r number <"$partition"
      [ "$number" = "$3" ] || continue
      value_of DEVNAME "\${partition%/partition}/uevent" && echo "$DEV/$value"
    done
  fi
  [ -n "$1" ] && echo "PARTUUID=$1"
  [ -n "$2" ] && echo "UUID=$2"
} 2>/dev/null

# at_place USE OPTIONS PATH MOUNTPOINT INSIDE TYPE PARTUUID UUID NUMBER: runs USE with the path,
# where the file system is mounted, else mounts it for that with OPTIONS (if there are any). True if
# USE was.
at_place() {
  is_mounted "$4" && "$1" "$ROOT$3" && return 0
  [ -n "$2" ] || return 1
  use=$1 options=$2 inside=$5 type=$6
  mkdir -p "$RUN/mount" 2>/dev/null
  for device in $(print_devices "$7" "$8" "$9"); do
    # The kernel refuses to mount read-only what is mounted for writing elsewhere.
    mount \${type:+-t "$type"} -o "$options" "$device" "$RUN/mount" 2>/dev/null ||
      mount \${type:+-t "$type"} -o rw "$device" "$RUN/mount" 2>/dev/null || continue
    "$use" "$RUN/mount$inside"
    used=$?
    umount "$RUN/mount" 2>/dev/null
    [ "$used" = 0 ] && return 0
  done
  return 1
}

at_environment() {
  at_place "$1" "$2" "$ENV_PATH" "$ENV_MOUNT" "$ENV_INSIDE" \\
    "$ENV_TYPE" "$ENV_PARTUUID" "$ENV_UUID" "$ENV_NUMBER"
}

at_state() {
  at_place "$1" "$2" "$STATE_PATH" "$STATE_MOUNT" "$STATE_INSIDE" \\
    "$STATE_TYPE" "$STATE_PARTUUID" "$STATE_UUID" "$STATE_NUMBER"
}

# True, and the answer printed, if the file is GRUB's environment block.
read_grub() {
  line=
  read -r line 2>/dev/null <"$1"
  [ "$line" = '# GRUB Environment Block' ] || return 1
  value_of saved_entry "$1"
  if is_own_value "$value"; then echo default; else echo other; fi
}

# True, and the answer printed, if the state folder tells which slot is the default.
read_mark() {
  line=
  read -r line 2>/dev/null <"$1/$MARK"
  case $line in
    "\\"$SLOT\\"") echo default ;;
    '') return 1 ;;
    *) echo other ;;
  esac
}

# How often this slot was rebooted by us since the agent last looked.
read_count() {
  [ -d "$1" ] || return 1
  read_note "$1/$NOTE"
  echo "$count"
}

read_note() {
  count=0
  noted=
  while read -r key word; do
    case $key in slot) noted=$word ;; count) count=$word ;; esac
  done <"$1"
  case $count in '' | *[!0-9]* | ???*) count=0 ;; esac
  [ "$noted" = "$SLOT" ] || count=0
} 2>/dev/null

ask_boot_loader() {
  case $CHECK in
    grub) at_environment read_grub "$1" ;;
    u-boot)
      value=$(fw_printenv \${FW_CONFIG:+-c "$FW_CONFIG"} -n "$VARIABLE" 2>/dev/null) || return 1
      if is_own_value "$value"; then echo default; else echo other; fi
      ;;
  esac
}

# Prints one line: what the boot loader says, what the state folder says, and how often this slot
# was rebooted by us.
find_out() {
  loader=$(ask_boot_loader "$1")
  mark=$(at_state read_mark "$1")
  [ -n "$1" ] && count=$(at_state read_count "$1")
  echo "\${loader:-unknown} \${mark:-unknown} \${count:-0}"
}

`;
