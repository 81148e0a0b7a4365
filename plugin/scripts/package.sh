#!/bin/sh
# Makes the plugin's release tarball, dist/twister2-job-VERSION.tgz: the plugin with its wheel. Needs Python with pip.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
version=$(sed -n 's/^version: *//p' "$root/plugin/plugin.yaml")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/twister2-job" "$root/dist"
cp -R "$root/plugin/plugin.yaml" "$root/plugin/plugin.complete" "$root/plugin/bin" "$root/plugin/scripts" "$work/twister2-job"
rm "$work/twister2-job/scripts/package.sh"
"${TWISTER2_JOB_PLUGIN_PYTHON:-python3}" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/twister2-job" "$root"
tar -czf "$root/dist/twister2-job-$version.tgz" -C "$work" twister2-job
echo "$root/dist/twister2-job-$version.tgz"
