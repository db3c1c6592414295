#!/usr/bin/env bash
# Installs what building, running and testing Weft needs from Debian 12's packages; does nothing when all is there.
set -euo pipefail

packages=(
  clang-19 lld-19 clang-format-19 clang-tidy-19 llvm-19 libclang-rt-19-dev
  cmake ninja-build ccache pkg-config make
  libboost1.81-dev libboost-container1.81-dev libssl-dev libbpf-dev bpftool linux-libc-dev libelf-dev zlib1g-dev
  libnl-route-3-dev libspdlog-dev libfmt-dev libcli11-dev prometheus-cpp-dev libsqlite3-dev libyaml-cpp-dev
  libnghttp2-dev libre2-dev libgtest-dev libgmock-dev libbenchmark-dev
  iproute2 iputils-ping nftables dnsutils curl jq openssl python3
  chromium-headless-shell
)

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "install-deps: as root: apt-get install ${missing[*]}" >&2
  exit 2
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
