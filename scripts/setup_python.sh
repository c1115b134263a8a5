#!/usr/bin/env bash
# setup_python.sh demo|test: makes .venv with the versions pinned in requirements/ and this package in it, editable.
# A stamp in .venv records what it was made from; a set-up that is up to date costs no network and well under a second.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

role=$1
python=${PYTHON:-python3}
stamps=.venv/.a8w8
# Modules are compiled when first imported: byte-compiling all of them up front takes longer than installing them.
install=(.venv/bin/python -m pip install -q --disable-pip-version-check --no-input --no-compile)

# hash FILE...: of the files, the interpreter and the place (a virtual environment does not survive being moved).
hash() { { cat "$@"; "$python" -c 'import sys; print(sys.version)'; pwd; } | sha256sum | cut -d ' ' -f 1; }
up_to_date() { [[ -f $stamps/$1 && $(<"$stamps/$1") == "$2" ]]; }

demo=$(hash requirements/demo.txt requirements/torch.txt requirements/torch-cuda.txt)
if ! up_to_date demo "$demo" || ! .venv/bin/python -c 'import importlib.util as u; u.find_spec("torch").origin' 2>/dev/null; then
  say "Making .venv (PyTorch and the pinned packages of requirements/)"
  rm -rf .venv
  rm -f build/release/{CMakeCache.txt,build.ninja}  # they name the torch of the old environment
  "$python" -m venv .venv || die "$python -m venv failed"
  "${install[@]}" --no-deps -r requirements/demo.txt || die "pip could not install requirements/demo.txt"
  "${install[@]}" ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} \
    -r requirements/torch.txt -c requirements/torch-cuda.txt || die "pip could not install requirements/torch.txt"
  problems=$(.venv/bin/python -m pip check) || die "the pins in requirements/ do not fit together: $problems"
  mkdir -p $stamps
  echo "$demo" >$stamps/demo
fi

test=$(hash requirements/test.txt)
if [[ $role == test ]] && ! up_to_date test "$test"; then
  say "Adding the test tools of requirements/test.txt to .venv"
  "${install[@]}" --no-deps -r requirements/test.txt || die "pip could not install requirements/test.txt"
  echo "$test" >$stamps/test
fi

# Editable: a .pth to python/, where the developer build also puts the op library. CMake is not run a second time.
package=$(hash pyproject.toml CMakeLists.txt)
if ! up_to_date package "$package"; then
  # Settings by environment: the pip of Debian 12 and Ubuntu 22.04 has no -C. A package without CMake has nothing compiled in it.
  SKBUILD_WHEEL_CMAKE=false SKBUILD_WHEEL_PY_API=py3 SKBUILD_EDITABLE_MODE=inplace "${install[@]}" --no-deps --no-build-isolation -e . ||
    die "pip could not install this package into .venv"
  echo "$package" >$stamps/package
fi
