# Sourced by the other scripts: strict mode, the repository root as working directory, and one-line messages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
die() {
  printf 'a8w8: %s\n' "$*" >&2
  exit 1
}
