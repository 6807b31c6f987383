#!/bin/sh
# browser.sh: sees to it that the tests in a real browser find one; `make browser`, and CI. Says what it did, and never fails for lack of one:
# without a browser those tests skip, and say so.
set -u
seconds=300

found() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if path=$(command -v "$name" 2>/dev/null); then echo "$path"; return 0; fi
    done
    return 1
}

give_up() {
    echo "browser: none installed ($1): the tests in tests/browser skip; install Chromium, or name one in PURSER_CHROMIUM" >&2
    exit 0
}

if [ -n "${PURSER_CHROMIUM:-}" ]; then
    path=$(command -v "$PURSER_CHROMIUM") || give_up "PURSER_CHROMIUM names $PURSER_CHROMIUM, which is not there"
    echo "browser: $path"
    exit 0
fi
if path=$(found); then echo "browser: $path"; exit 0; fi
command -v apt-get >/dev/null 2>&1 || give_up "no apt-get here"
[ "$(id -u)" = 0 ] || give_up "apt-get install chromium needs root"

echo "browser: installing chromium with apt-get, a minute or so"
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
# The lists may be missing or old: they are fetched only when the package is not found with those that are there.
install() { timeout "$seconds" apt-get install -y --no-install-recommends chromium fonts-dejavu-core >"$log" 2>&1; }
if ! install; then
    timeout "$seconds" apt-get update >"$log" 2>&1 || give_up "apt-get update: $(tail -n 1 "$log")"
    install || give_up "apt-get: $(grep '^E:' "$log" | tail -n 1)"
fi
rm -f "$log"
if path=$(found); then echo "browser: $path"; else give_up "apt-get installed no program of a known name"; fi
