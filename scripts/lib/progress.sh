# shellcheck shell=bash
# Steps that say what happens now, of how many, and how long it took last time.
#
#   steps 5                            how many there will be
#   step 'Compiling the app' cargo build …
#
# On a terminal a command's own progress shows as it is. Without one a line every 15 s says how
# long it has been running and what it said last. All that it said is in a file, which a failure names.

progress_total=0
progress_number=0
progress_logs=${VIVARIUM_LOGS:-target/logs}
progress_times=${XDG_CACHE_HOME:-$HOME/.cache}/vivarium/step-times

steps() {
  progress_total=$1
  progress_number=0
}

# progress_duration SECONDS
progress_duration() {
  if [ "$1" -lt 60 ]; then printf '%s s' "$1"; else printf '%s min %02d s' $(($1 / 60)) $(($1 % 60)); fi
}

# What this step took the last time on this computer; nothing if it isn't known.
progress_last() {
  [ -f "$progress_times" ] || return 0
  awk -F '\t' -v name="$1" '$1 == name {seconds = $2} END {if (seconds != "") print seconds}' "$progress_times"
}

# progress_remember NAME SECONDS
progress_remember() {
  local folder aside
  folder=$(dirname "$progress_times")
  mkdir -p "$folder" 2>/dev/null || return 0
  aside=$(mktemp "$folder/.step-times-XXXXXX" 2>/dev/null) || return 0
  {
    [ ! -f "$progress_times" ] || awk -F '\t' -v name="$1" '$1 != name' "$progress_times"
    printf '%s\t%s\n' "$1" "$2"
  } >"$aside"
  mv "$aside" "$progress_times"
}

# step NAME COMMAND…
step() {
  local name=$1 last log began status=0 took
  shift
  progress_number=$((progress_number + 1))
  last=$(progress_last "$name")
  printf '[%s/%s] %s%s\n' "$progress_number" "$progress_total" "$name" "${last:+ (last time $(progress_duration "$last"))}"
  mkdir -p "$progress_logs"
  log=$progress_logs/$(printf '%s' "$name" | tr -cs 'A-Za-z0-9\n' '-').log
  began=$SECONDS
  if [ -t 1 ] && [ -t 2 ]; then
    # The command keeps its terminal; on a failure it has been seen already.
    "$@" || status=$?
    log=
  else
    progress_watched "$name" "$log" "$@" || status=$?
  fi
  took=$((SECONDS - began))
  if [ "$status" -ne 0 ]; then
    if [ -n "$log" ]; then
      printf '%s failed. The end of its log:\n' "$name" >&2
      tail -n 30 "$log" | sed 's/^/    /' >&2
      printf 'The whole log: %s\n' "$log" >&2
    else
      printf '%s failed.\n' "$name" >&2
    fi
    return "$status"
  fi
  progress_remember "$name" "$took"
  [ "$took" -lt 2 ] || printf '[%s/%s] %s: %s\n' "$progress_number" "$progress_total" "$name" "$(progress_duration "$took")"
}

# Runs a command with its words in a log, and tells every 15 s that it goes on.
progress_watched() {
  local name=$1 log=$2 began=$SECONDS next=15 process
  shift 2
  "$@" >"$log" 2>&1 &
  process=$!
  while kill -0 "$process" 2>/dev/null; do
    if [ $((SECONDS - began)) -ge "$next" ]; then
      next=$((next + 15))
      printf '      %s: %s · %s\n' "$name" "$(progress_duration $((SECONDS - began)))" "$(progress_line "$log")"
    fi
    sleep 0.2
  done
  wait "$process"
}

# The last line of a log, short enough for one line.
progress_line() {
  tail -c 4000 "$1" | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-110
}
