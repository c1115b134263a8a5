#!/usr/bin/env bash
# check_install.sh BUILD_DIR: installs the build into a throw-away prefix, builds and runs tests/install against it, and runs
# the installed program.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

build=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")

say "The installed tree, through find_package(a8w8 $version)"
{
  cmake --install "$build" --prefix "$scratch/prefix" --component development &&
    cmake --install "$build" --prefix "$scratch/prefix" --component program &&
    cmake -G Ninja -S tests/install -B "$scratch/build" -DCMAKE_PREFIX_PATH="$scratch/prefix" \
      -DA8W8_EXPECTED_VERSION="$version" &&
    cmake --build "$scratch/build"
} >"$scratch/log" 2>&1 || {
  cat "$scratch/log" >&2
  die "a project that uses the installed library does not build"
}
"$scratch/build/consumer" || die "the program built against the installed library fails"
[[ $("$scratch/prefix/bin/a8w8" --version) == "$version" ]] || die "the installed program a8w8 does not run"
