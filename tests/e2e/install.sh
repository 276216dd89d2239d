#!/usr/bin/env bash
# Put what the end-to-end tests run against into build/e2e: rotel (PyPI), VictoriaMetrics and Prometheus (Debian).
# Packages are unpacked, not installed: no service starts, and what the system has stays as it is. What cannot be had is
# left out and said, and its tests skip; this never fails.
set -uo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/build/e2e
python=${PYTHON:-python3}
mkdir -p "$here"

missing() { echo "e2e: $1 cannot be had here; its tests are skipped"; }

get_rotel() {
	[ -x "$here/rotel/rotel/rotel-agent" ] && return
	"$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
		--upgrade --target "$here/rotel" rotel
	[ -x "$here/rotel/rotel/rotel-agent" ]
}

# Of a Debian package, the first of the suites that has it; "" is what this system is set up for.
get_package() {
	local package=$1 program=$2 suite
	[ -x "$here/debian/usr/bin/$program" ] && return
	shift 2
	for suite in "$@"; do
		if unpack "$package" "$suite"; then return; fi
	done
	return 1
}

unpack() {
	local package=$1 suite=$2 folder
	local -a options=()
	folder=$(mktemp -d "$here/apt.XXXXXX")
	chmod 755 "$folder"                     # apt's own user reads it
	if [ -n "$suite" ]; then
		mapfile -t options < <(apt_options "$suite" "$folder")
		[ ${#options[@]} -gt 0 ] || { rm -rf "$folder"; return 1; }
	fi
	(
		cd "$folder" &&
			timeout 300 apt-get "${options[@]}" -qq update &&
			timeout 300 apt-get "${options[@]}" -qq download "$package" &&
			dpkg -x "$package"_*.deb "$here/debian"
	)
	local outcome=$?
	rm -rf "$folder"
	return $outcome
}

# Another suite from where this system's own packages come from, with lists of its own.
apt_options() {
	local suite=$1 folder=$2 sources
	sources=$(awk 'BEGIN { RS = ""; ORS = "\n\n" } /^Types:.*deb/ || /\nTypes:.*deb/' /etc/apt/sources.list.d/debian.sources 2>/dev/null |
		awk 'BEGIN { RS = "" } !/security/ { print; exit }' | sed "s/^Suites:.*/Suites: $suite/")
	[ -n "$sources" ] || return
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
	echo "$sources" >"$folder/suite.sources"
	printf '%s\n' -o "Dir::Etc::sourcelist=$folder/suite.sources" -o Dir::Etc::sourceparts=- \
		-o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache"
}

get_rotel || missing rotel
if command -v apt-get dpkg >/dev/null; then
	get_package prometheus prometheus "" || missing prometheus
	# Exponential histograms over OTLP: newer than what Debian 12 and 13 have.
	get_package victoria-metrics victoria-metrics forky sid || missing victoria-metrics
else
	missing 'prometheus and victoria-metrics (Debian packages)'
fi
exit 0
