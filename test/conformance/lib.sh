# Sourced by the conformance suites: a cluster whose pods run what the suites' images have.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
tools=$root/build/tools
mkdir -p "$tools"
links=()

# In a kernel without SCTP, agnhost brings its own.
build_agnhost() {
  local modules=$tools/agnhost.mod
  cd "$root/test/conformance/agnhost" && cp go.mod "$modules" && cp go.sum "$tools/agnhost.sum" || return
  grep -qs '^SCTP' /proc/net/protocols || go mod edit -replace "github.com/ishidawataru/sctp=$root/test/conformance/sctp" "$modules" || return
  go build -modfile "$modules" -o "$tools/agnhost" .
}

# conformance_up IMAGE=PROGRAM…: two nodes.
conformance_up() {
  local image images=()
  for image; do images+=(--image "$image"); done
  cluster_up --nodes 2 "${images[@]}"
  trap conformance_down EXIT
}

# agnhost_up [IMAGE=PROGRAM…]: for the suites that run /agnhost in their pods, and perhaps more. With FORETELL=1 each of their
# probes is foretold, too: what weft trace says of the connection by the cluster's objects of that moment has to be what agnhost sees.
agnhost_up() {
  (build_agnhost) || { echo "not ok build of agnhost"; exit 1; }
  conformance_up "registry.k8s.io/e2e-test-images/agnhost=$tools/agnhost" "$@"
  if [ -n "${FORETELL:-}" ]; then foretell_up; else link "$tools/agnhost" /agnhost; fi
}

foretell_up() {
  [ ! -e /agnhost ] || { echo "not ok /agnhost is there: another suite runs"; exit 1; }
  local foretell=$root/test/conformance/foretell.py
  foretold=$root/build/foretold-$(basename "$(dirname "$(realpath "$0")")").json
  work=$(mktemp -d) && chmod 755 "$work" && : >"$foretold"
  # Another cluster's pods find it, too.
  cat >"$work/agnhost" <<SH
#!/bin/sh
[ "\$1" = connect ] && grep -q "/weft-$cluster/" /proc/self/cgroup && exec python3 "$foretell" probe "$work/socket" "$tools/agnhost" "\$@"
exec "$tools/agnhost" "\$@"
SH
  chmod +x "$work/agnhost"
  link "$work/agnhost" /agnhost
  python3 "$foretell" serve "$work/socket" "$foretold" "$weft" "$cluster" &
  foreteller=$!
}

foretell_down() {
  kill "$foreteller"
  rm -rf "$work"
  check "$(wc -l <"$foretold") probes are as foretold, $(jq -s 'map(select(.seen != "works")) | length' "$foretold") of them denied" all_foretold
}
all_foretold() { [ -s "$foretold" ] && [ -z "$(jq -c "select(.agrees | not)" "$foretold" | tee /dev/stderr)" ]; }

# link FILE PATH: what an image has at PATH. The pods' file system is the machine's, so it is there as long as the suite runs.
link() { [ -e "$2" ] || { ln -sfn "$1" "$2" && links+=("$2"); }; }

conformance_down() {
  [ -z "${foreteller:-}" ] || foretell_down
  rm -f "${links[@]}"
  cluster_down
}

# results TEXT: prints the result lines of the cases and counts what failed; no line at all is a failure too.
results() {
  local lines=${1:-not ok the suite ran}
  echo "$lines"
  failures=$((failures + $(grep -c '^not ok' <<<"$lines")))
}
