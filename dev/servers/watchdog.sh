#!/bin/sh
# Cleans up after private servers, however the process that started them ended: its end closes our standard
# input. Usage: watchdog.sh <folder>; lines on standard input: "watch <pid> <signal>" and "forget <pid>".
# Each pid leads a process group of its own; the signal is the one that makes that server end at once.
folder=$1
trap '' INT TERM HUP
watched=' '
while read -r verb pid signal; do
  case $verb in
    watch) watched="$watched$pid:$signal " ;;
    forget) watched=$(printf '%s' "$watched" | sed "s/ $pid:[A-Z]* / /") ;;
  esac
done

for entry in $watched; do
  kill -"${entry#*:}" "${entry%%:*}" 2>/dev/null
done
for entry in $watched; do
  pid=${entry%%:*}
  tries=0
  while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 50 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -KILL "-$pid" 2>/dev/null
done

# A Postgres that was killed leaves its lock file, which names the one shared memory segment left behind.
lock="$folder/postgres/postmaster.pid"
if [ -f "$lock" ]; then
  segment=$(sed -n 7p "$lock" | awk '{ print $2 }')
  [ -n "$segment" ] && ipcrm -m "$segment" 2>/dev/null
fi
rm -rf "$folder"
