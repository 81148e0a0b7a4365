#!/bin/sh
# Installs the wrapper into a virtual environment of the plugin's own: from the wheel that a release carries, else from
# the checkout that the plugin's folder is in.
#   TWISTER2_JOB_PLUGIN_PYTHON      the Python to use (default: python3)
#   TWISTER2_JOB_PLUGIN_WHEELHOUSE  a folder of wheels, to install without a network
#   TWISTER2_JOB_PLUGIN_SKIP_VENV   1: use the Python as it is, with twister2_job installed in it
set -eu

[ "${TWISTER2_JOB_PLUGIN_SKIP_VENV:-}" = 1 ] && exit 0
dir=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
python=${TWISTER2_JOB_PLUGIN_PYTHON:-python3}
fail() {
  echo "twister2-job: $1" >&2
  echo "twister2-job: Helm keeps a plugin whose installation failed: 'helm plugin uninstall twister2-job' before the next try." >&2
  exit 1
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
  fail "$python is missing or older than Python 3.10; name a newer one in TWISTER2_JOB_PLUGIN_PYTHON."
source=$(find "$dir" -maxdepth 1 -name 'twister2_job-*.whl' | sort | tail -n 1)
[ -n "$source" ] || source=$(dirname -- "$dir")
[ -f "$source" ] || [ -f "$source/pyproject.toml" ] || fail "$dir holds no wheel and is in no checkout; install the release again."

rm -rf "$dir/.venv"
"$python" -m venv "$dir/.venv" || fail "$python can't make a virtual environment (on Debian: apt-get install python3-venv)."
set -- install --quiet --disable-pip-version-check
[ -z "${TWISTER2_JOB_PLUGIN_WHEELHOUSE:-}" ] || set -- "$@" --no-index --find-links "$TWISTER2_JOB_PLUGIN_WHEELHOUSE"
"$dir/.venv/bin/python" -m pip "$@" "$source" ||
  fail "pip could not install the wrapper; without a network give a folder of wheels in TWISTER2_JOB_PLUGIN_WHEELHOUSE."
sed -n 's/^version: *//p' "$dir/plugin.yaml" > "$dir/.venv/.stamp"
echo "twister2-job is installed; try: helm twister2-job --help"
