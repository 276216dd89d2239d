#!/usr/bin/env bash
# Put what the end-to-end tests run against into build/e2e: rotel (PyPI), Prometheus and VictoriaMetrics (Debian).
# Packages are unpacked, not installed: no service starts, and the system stays as it is. Chromium and tmux are installed:
# the one comes with a hundred libraries. What cannot be had is said, and its tests skip; this never fails.
set -uo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/build/e2e
python=${PYTHON:-python3}
mkdir -p "$here"

get_rotel() {
	[ -x "$here/rotel/rotel/rotel-agent" ] && return
	"$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
		--upgrade --target "$here/rotel" rotel
	[ -x "$here/rotel/rotel/rotel-agent" ]
}

# PACKAGE SUITE...: from the first of Debian's suites that has it. The program has the package's name.
get_package() {
	local package=$1 suite
	shift
	[ -x "$here/debian/usr/bin/$package" ] && return
	for suite in "$@"; do
		unpack "$package" "$suite" && return
	done
	return 1
}

# With lists of its own: no root is needed, and the system's apt never hears of the suite.
unpack() {
	local package=$1 suite=$2 folder outcome
	folder=$(mktemp -d "$here/apt.XXXXXX")
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
	sources_of "$suite" >"$folder/suite.sources"
	local options=(-qq -o "Dir::Etc::sourcelist=$folder/suite.sources" -o Dir::Etc::sourceparts=-
		-o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o "APT::Sandbox::User=$(id -un)")
	(
		cd "$folder" && [ -s suite.sources ] &&
			timeout 300 apt-get "${options[@]}" update &&
			timeout 300 apt-get "${options[@]}" download "$package" &&
			dpkg -x "$package"_*.deb "$here/debian"
	)
	outcome=$?
	rm -rf "$folder"
	return $outcome
}

# Another suite, from where this system's own packages come from.
sources_of() {
	awk 'BEGIN { RS = "" } /Types:.*deb/ && !/security/ { print; exit }' /etc/apt/sources.list.d/debian.sources |
		sed "s/^Suites:.*/Suites: $1/"
}

get_installed() {
	command -v "$1" >/dev/null && return
	[ "$(id -u)" = 0 ] || return
	timeout 300 apt-get -qq update &&
		DEBIAN_FRONTEND=noninteractive timeout 900 apt-get -qq install -y --no-install-recommends "$1" >/dev/null
}

missing() { echo "e2e: $1 cannot be had here; its tests are skipped"; }

get_rotel || missing rotel
get_package prometheus "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" || missing prometheus
get_package victoria-metrics trixie forky sid || missing victoria-metrics    # OTLP: newer than Debian 12's
get_installed tmux || missing tmux
get_installed chromium || missing chromium
exit 0
