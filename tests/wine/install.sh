#!/usr/bin/env bash
# Install what the tests under Wine need: mingw-w64 and 64-bit Wine, from this system's packages (Debian, Ubuntu). What
# cannot be had is said, and the tests skip; this never fails.
set -uo pipefail

has_wine() { command -v wine64 >/dev/null || [ -x /usr/lib/wine/wine64 ] || command -v wine >/dev/null; }
has_mingw() { command -v x86_64-w64-mingw32-gcc >/dev/null; }

get() {
	[ "$(id -u)" = 0 ] || return
	DEBIAN_FRONTEND=noninteractive timeout 900 apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

missing() { echo "wine: $1 cannot be had here; the tests under Wine are skipped"; }

if ! has_wine || ! has_mingw; then
	[ "$(id -u)" = 0 ] && timeout 300 apt-get -qq update
fi
has_mingw || get gcc-mingw-w64-x86-64 || missing mingw-w64
has_wine || get wine64 wine || missing Wine
exit 0
