#!/usr/bin/env bash
# setup_system.sh demo|test|aarch64: makes sure that the compiler, the build tools and the header libraries are there.
# What counts is whether they work, not which package they came from; an equipped machine needs no apt-get and no root.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

role=$1
python=${PYTHON:-python3}
cxx=${CXX:-c++}
[[ $role == aarch64 ]] && cxx=aarch64-linux-gnu-g++  # cmake/toolchains/aarch64-linux-gnu.cmake
packages=()
need() { packages+=("$@"); }

has() { command -v "$1" >/dev/null 2>&1; }
compiles() { "$cxx" -std=c++20 -fsyntax-only -x c++ - >/dev/null 2>&1 <<<"$1"; }
has_header() { compiles "#if !__has_include(<$1>)
#error
#endif"; }
at_least() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

if [[ $role == aarch64 ]]; then
  has "$cxx" || need g++-aarch64-linux-gnu
  has qemu-aarch64 || has qemu-aarch64-static || need qemu-user
  [[ -e /usr/src/googletest/CMakeLists.txt ]] || need libgtest-dev  # the sources
elif ! has "$cxx"; then
  [[ -z ${CXX:-} ]] || die "there is no compiler $CXX"
  need g++
fi
has cmake || need cmake
has ninja || need ninja-build
has "$python" && "$python" -c 'import ensurepip, venv' 2>/dev/null || need python3 python3-venv
# Wanted, not needed: without Python's headers calls of ops take PyTorch's own, slower way.
python_headers() { "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.isfile(sysconfig.get_path("include") + "/Python.h"))'; }
{ has "$python" && python_headers; } || need python3-dev
has_header nlohmann/json.hpp || need nlohmann-json3-dev
has_header CLI/CLI.hpp || need libcli11-dev
if [[ $role == test ]]; then
  has_header gtest/gtest.h || need libgtest-dev
  has_header simde/x86/avx512.h || need libsimde-dev
fi

if ((${#packages[@]})); then
  command=(apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "${packages[@]}")
  if ! has apt-get; then
    die "missing here, by their Debian names: ${packages[*]}; please install them and run make again"
  elif ((EUID == 0)); then
    as_root=()
  elif has sudo && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    die "please run: sudo apt-get install -y ${packages[*]}"
  fi
  say "Installing ${packages[*]}"
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  # A package source that cannot be reached is not fatal: the lists at hand may do.
  "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=120 update </dev/null || say "apt-get update failed; going on"
  "${as_root[@]}" "${command[@]}" </dev/null || die "apt-get could not install: ${packages[*]}"
fi

# What is there may still be too old, and then a package of the same distribution does not help.
compiles '#include <bit>
#include <concepts>
#include <span>
static_assert(std::bit_cast<unsigned>(1.0f) == 0x3f800000u);' ||
  die "$cxx does not compile C++20; please install g++ 11 or clang 14, or newer, and name it: make CXX=..."
version=$(cmake --version | awk 'NR == 1 {print $3}')
at_least 3.22 "$version" || die "cmake $version is too old; please install 3.22 or newer"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  die "$("$python" --version) is too old; please install 3.10 or newer and name it: make PYTHON=..."
