#!/bin/sh
# Cleans up after private servers, however the process that started them ended: its end closes our standard
# input. Usage: watchdog.sh <folder>; lines on standard input: "watch <pid> <signal>" and "forget <pid>".
# Each pid leads a process group of its own; the signal is the one that makes that server end at once.
folder=$1
trap '' INT TERM HUP
# Latest first: what was started last may restart what it needs (a RabbitMQ node its epmd).
watched=' '
while read -r verb pid signal; do
  case $verb in
    watch) watched=" $pid:$signal$watched" ;;
    forget) watched=$(printf '%s' "$watched" | sed "s/ $pid:[A-Z]* / /") ;;
  esac
done

for entry in $watched; do
  pid=${entry%%:*}
  case ${entry#*:} in
    KILL) kill -KILL "-$pid" 2>/dev/null ;;
    *) kill -"${entry#*:}" "$pid" 2>/dev/null ;;
  esac
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

# An Erlang node that finds no epmd starts one that outlives it: two lines, the program and its port.
if [ -f "$folder/epmd" ]; then
  { read -r program && read -r port; } <"$folder/epmd"
  tries=0
  while "$program" -port "$port" -names >/dev/null 2>&1 && [ "$tries" -lt 20 ]; do
    "$program" -port "$port" -kill >/dev/null 2>&1 || sleep 0.1
    tries=$((tries + 1))
  done
fi

# A Postgres that was killed leaves its lock file, which names the one shared memory segment left behind.
lock="$folder/postgres/postmaster.pid"
if [ -f "$lock" ]; then
  segment=$(sed -n 7p "$lock" | awk '{ print $2 }')
  [ -n "$segment" ] && ipcrm -m "$segment" 2>/dev/null
fi
# Again, when a process that is just ending still writes there.
tries=0
until rm -rf "$folder" 2>/dev/null || [ "$tries" -ge 10 ]; do
  sleep 0.3
  tries=$((tries + 1))
done
