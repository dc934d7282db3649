#!/bin/bash
# The same installation by public tools: pipe.sh URL SLOT SHA256 BYTES. Prints a line of seconds (wall, user, system)
# for the installation, and one for reading the slot back, which it lacks.
# A named pipe instead of >( ), so that sha256sum is waited for and counted.
set -euo pipefail
url=$1 slot=$2 sha256=$3 bytes=$4
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
mkfifo "$dir/fifo"
TIMEFORMAT='%R %U %S'
exec 2>&1
time {
  sha256sum <"$dir/fifo" >"$dir/sum" &
  curl -s "$url" | tee "$dir/fifo" | zstd -dcq | dd bs=4M conv=fsync,notrunc of="$slot" status=none
  wait
}
grep -q "^$sha256 " "$dir/sum"
time {
  dd if="$slot" bs=4M iflag=direct,count_bytes count="$bytes" status=none | sha256sum >"$dir/read-back"
}
