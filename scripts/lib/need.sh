# What the scripts share: saying what is missing with the package that has it, and Python tools in a folder of ours.
# shellcheck shell=bash

TOOLS=$PWD/target/tools/bin

say() { printf '\n== %s\n' "$*"; }

# need COMMAND PACKAGE: ends with a clear line where COMMAND is missing.
need() {
  command -v "$1" >/dev/null 2>&1 && return
  printf 'annals: %s is missing. It comes with: %s' "$1" "$2" >&2
  case $2 in
    Rust*) printf '\n' >&2 ;;
    *) printf ' (on Debian: apt-get install %s)\n' "$2" >&2 ;;
  esac
  exit 1
}

# need_python: Python with venv; installs Debian's packages where that is allowed.
need_python() {
  if python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -q && apt-get install -qy python3 python3-venv
  fi
  python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || need python3-with-venv 'python3 python3-venv'
}

# need_node: Node 20 or later with npm; installs Debian's packages where that is allowed.
need_node() {
  if node_runs; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -q && apt-get install -qy nodejs npm
  fi
  node_runs || need node-20-with-npm 'nodejs npm'
}

node_runs() {
  command -v npm >/dev/null 2>&1 && node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' 2>/dev/null
}

# tools PACKAGE...: makes the Python packages available under $TOOLS.
tools() {
  [ -x "$TOOLS/python" ] || python3 -m venv target/tools
  "$TOOLS/pip" --disable-pip-version-check install --quiet "$@"
}
