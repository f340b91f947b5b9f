#!/bin/sh
# dispatchd @VERSION@ in one file: this head, then a compressed tree with its own Python.
# The tree is unpacked once for each user and run from there by exec: the process is the daemon
# itself, so signals, readiness, the watchdog and a manager's sockets reach it.
# shellcheck disable=SC2093,SC2174,SC3067 # one that cannot be run is passed over; 0700 is for the
# last directory alone; every shell that is a /bin/sh knows -O
set -eu
tree=dispatchd-@VERSION@-@ID@

unpack() ( # into $1. Of two that start at once the first to end wins, and both go on
    set -e
    new="$1/.$tree.$$"
    trap 'rm -rf "$new"' EXIT
    mkdir "$new"
    tail -n +@FIRST@ "$0" | tar -xzf - --no-same-owner -C "$new"
    sync -f "$new" 2>/dev/null || sync # a machine that stops now must not leave half a tree
    mv -T "$new" "$1/$tree" || [ -e "$1/$tree/dispatchd" ]
)

# What the caller, or systemd's CacheDirectory=, names is taken as it is. Any other place must be
# our own user's: root with somebody else's $HOME would else run what that somebody put there.
for place in "=${DISPATCHD_UNPACK_DIR:-}" "=${CACHE_DIRECTORY:-}" \
    "${XDG_CACHE_HOME:+$XDG_CACHE_HOME/dispatchd}" "${HOME:+$HOME/.cache/dispatchd}" \
    /var/cache/dispatchd "${TMPDIR:-/tmp}/dispatchd-$(id -u)"; do
    base=${place#=}
    [ -n "$base" ] || continue
    mkdir -p -m 0700 "$base" 2>/dev/null || [ -d "$base" ] || continue
    [ "$base" != "$place" ] || { [ -O "$base" ] && [ ! -L "$base" ]; } || continue
    [ -e "$base/$tree/dispatchd" ] || unpack "$base" 2>/dev/null || continue
    [ -x "$base/$tree/dispatchd" ] || continue # a file system mounted noexec
    exec "$base/$tree/dispatchd" "$@"
done
echo "dispatchd: found no place to unpack to: set DISPATCHD_UNPACK_DIR to a directory that may be" \
    "written and run from, with 100 MB free" >&2
exit 1
