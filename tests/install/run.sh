#!/usr/bin/env bash
# Installs the build in directory $1 under a temporary prefix and builds a host against it, by CMake and by pkg-config.
set -euo pipefail
build=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/minikube-install.XXXXXX")
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/prefix" >/dev/null
"$work/prefix/bin/minikube" version

cmake -G Ninja -S "$here" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/build" >/dev/null
[ "$("$work/build/host")" = 42 ] || { echo "the host built by CMake says otherwise" >&2; exit 1; }

pc=$(find "$work/prefix" -name minikube.pc)
export PKG_CONFIG_PATH=${pc%/*}
# Installed under another prefix than configured.
flags=("--define-variable=prefix=$work/prefix" minikube)
"${CXX:-c++}" -std=c++20 "$here/host.cc" -o "$work/host" $(pkg-config --cflags "${flags[@]}") $(pkg-config --libs "${flags[@]}")
[ "$("$work/host")" = 42 ] || { echo "the host built by pkg-config says otherwise" >&2; exit 1; }
