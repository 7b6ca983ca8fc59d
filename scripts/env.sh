# Sourced by the scripts beside it: makes .venv on first use, and mends it when pyproject.toml changes or
# an extra is asked for that it lacks. EXTRAS names the extras, comma between; unset means dev, empty none.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
stamp=.venv/talos-stamp # Line 1: the extras that are in; then the pyproject.toml they came from.

wanted=${EXTRAS-dev}
standing=
current=no
if [ -f "$stamp" ]; then
    IFS= read -r standing <"$stamp"
    if tail -n +2 "$stamp" | cmp -s - pyproject.toml; then current=yes; fi
fi
# What stands stays, so that a demo between two test runs does not throw the test tools out.
extras=$standing
for extra in $(printf '%s' "$wanted" | tr ',' ' '); do
    case ",$standing," in
        *",$extra,"*) ;;
        *) extras=${extras:+$extras,}$extra current=no ;;
    esac
done

if [ "$current" = no ]; then
    echo "making .venv (once) ..." >&2
    if [ -f "$stamp" ]; then
        rm "$stamp" # Written again last, so an interrupted install starts over from nothing.
    else
        "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Talos needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 2; }
        "$PYTHON" -m venv --clear .venv || { echo "$PYTHON has no venv module: apt install python3-venv" >&2; exit 2; }
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".${extras:+[$extras]}"
    { printf '%s\n' "$extras" && cat pyproject.toml; } >"$stamp.new"
    mv "$stamp.new" "$stamp"
fi
PATH=$PWD/.venv/bin:$PATH

# Set in many containers. The tests start Python hundreds of times, and each would compile all of Talos again.
unset PYTHONDONTWRITEBYTECODE
