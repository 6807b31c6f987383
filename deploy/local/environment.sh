#!/bin/sh
# environment.sh FOLDER LOCK: makes a Python environment that holds exactly what the lock file names, hashes checked.
# uv does it in seconds (it comes from the lock file too); where uv does not run, pip does it in a minute or two.
set -eu
folder=$1 lock=$2

fits() { # a Python that the locked packages are built for, or may be
    "$1" -c 'import sys; sys.exit(not sys.version_info >= (3, 11))' 2>/dev/null
}

python=
for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 && fits "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    echo "Python 3.11 or newer is needed and not found on PATH (python3 is: $(python3 --version 2>&1 || true)); install it, or set PYTHON" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$python cannot make environments (no venv or ensurepip): apt install python3-venv (or $(basename "$python")-venv)" >&2
    exit 1
fi

# A copied or moved environment, or one whose Python is gone, is made anew.
if ! fits "$folder/bin/python" || ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    echo "environment: making $folder with $("$python" --version)"
    "$python" -m venv --clear "$folder"
fi

log=$folder/install.log
section=$folder/uv.lock
awk '/^uv==/ { inside = 1; print; next } inside && /^[ #]/ { print; next } { inside = 0 }' "$lock" >"$section"
echo "environment: installing $(grep -c '^[a-z0-9._-]*==' "$lock") packages from $lock"
quiet="--quiet --disable-pip-version-check --no-input"
if "$folder/bin/python" -m pip install $quiet --require-hashes -r "$section" >"$log" 2>&1 &&
    VIRTUAL_ENV=$folder "$folder/bin/uv" pip sync --quiet --require-hashes --python "$folder/bin/python" "$lock" >>"$log" 2>&1; then
    exit 0
fi
echo "environment: uv does not run here ($(tail -n 1 "$log")); installing with pip, a minute or two"
if ! "$folder/bin/python" -m pip install $quiet --require-hashes -r "$lock" >>"$log" 2>&1; then
    echo "environment: installing failed: $(grep -i error "$log" | tail -n 1); all of it is in $log" >&2
    exit 1
fi
