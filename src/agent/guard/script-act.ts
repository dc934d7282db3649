/** The part of a guard's script that waits, and reboots if nothing else happens. POSIX sh; it uses what `FIND_OUT` has. */
export const ACT = `# beside SECONDS FUNCTION [ARGUMENT...]: runs it beside us and waits for it so long at most, so that
# a disk or a server that hangs holds up nothing. What it prints is in $RUN/$started.new. False if
# it has not ended.
beside() {
  started=$((started + 1))
  limit=$1
  shift
  { "$@" >"$RUN/$started.new"; echo >"$RUN/$started.end"; } 2>/dev/null &
  running=$!
  ticks=0
  while [ ! -e "$RUN/$started.end" ]; do
    [ "$ticks" -ge "$limit" ] && return 1
    sleep 1
    ticks=$((ticks + 1))
  done
} 2>/dev/null

# ask SECONDS [OPTIONS]: true if this slot is the default. Looks only at what is mounted, unless
# there are options to mount with: while the machine starts, a mount of ours might be in the way of
# its own.
ask() {
  loader=unknown mark=unknown count=0
  if [ -d "$RUN" ]; then
    beside "$1" find_out "$2" || return 1
    read -r loader mark count <"$RUN/$started.new"
  else
    read -r loader mark count <<ANSWER
$(find_out "$2")
ANSWER
  fi
  [ "$loader" = default ] || [ "$mark" = default ]
} 2>/dev/null

# What init knows, for whoever asks later why this happened.
describe() {
  read -r boot_id <"$PROC/sys/kernel/random/boot_id"
  echo 'twinslot-trial-guard 1'
  echo "slot $SLOT"
  echo "count $((count + 1))"
  echo "boot $boot_id"
  echo "uptime $up"
  echo "clock $(date +%s)"
  echo "network $(first_link)"
  echo "system $(systemctl is-system-running)"
  for service in kubelet containerd; do
    echo "$service $(systemctl is-active "$service.service")"
  done
  systemctl --failed --plain --no-legend --no-pager | while read -r unit rest; do
    case $unit in *.*) ;; *) unit=\${rest%% *} ;; esac
    echo "failed $unit"
  done
  # What the start waits for, if it has not come to its end.
  systemctl list-jobs --plain --no-legend --no-pager | while read -r _ unit _ state; do
    [ "$state" = running ] && echo "job $unit"
  done
}

# A network interface that is up and is no pod's or bridge's own.
first_link() {
  for link in "$SYS"/class/net/*; do
    state=
    [ -e "$link/device" ] && read -r state <"$link/operstate"
    [ "$state" = up ] && echo "\${link##*/}" && return
  done
  echo none
} 2>/dev/null

leave_note() { at_state write_note rw; }

write_note() {
  [ -d "$1" ] && cat "$RUN/$described.new" >"$1/$NOTE"
}

# Each step by itself: none needs another one to have worked, or to come to an end.
reboot_now() {
  say "$1" 2
  sync &
  systemctl --force reboot &
  pause 60
  say 'init did not reboot; by the kernel, then' 2
  sync &
  pause 10
  echo 1 >"$PROC/sys/kernel/sysrq"
  echo b >"$PROC/sysrq-trigger"
  pause 10
  systemctl --force --force reboot &
  reboot -f &
  pause 60
} 2>/dev/null

main() {
  waited=0 started=0 running=
  now
  # Of this process alone: what one before it found out is old.
  RUN=$RUN/$$
  mkdir -p "$RUN" 2>/dev/null
  say "slot $SLOT reboots $LIMIT s after the start of the machine, unless it is the default by then"
  while [ "$up" -lt "$LIMIT" ]; do
    # One that hangs is not joined by others.
    if [ -z "$running" ] || [ -e "$RUN/$started.end" ] || ! kill -0 "$running" 2>/dev/null; then
      ask 10 && end
    fi
    now
    left=$((LIMIT - up))
    [ "$left" -gt "$POLL" ] && left=$POLL
    [ "$left" -gt 0 ] && pause "$left"
  done
  ask 60 ro && end
  if [ "$count" -ge "$MAX_REBOOTS" ]; then
    say "slot $SLOT was rebooted $count times and always came back: left alone from now on" 4
    exit 0
  fi
  if [ -d "$RUN" ]; then
    beside 20 describe
    described=$started
    beside 20 leave_note
  fi
  # The agent may have needed that long.
  ask 10 && end
  while :; do
    reboot_now "slot $SLOT was not made the default within $LIMIT s: rebooting"
  done
}

end() {
  say "slot $SLOT is the default: nothing to do"
  exit 0
}

main
`;
