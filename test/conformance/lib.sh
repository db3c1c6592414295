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

# agnhost_up [IMAGE=PROGRAM…]: for the suites that run /agnhost in their pods, and perhaps more.
agnhost_up() {
  (build_agnhost) || { echo "not ok build of agnhost"; exit 1; }
  conformance_up "registry.k8s.io/e2e-test-images/agnhost=$tools/agnhost" "$@"
  link "$tools/agnhost" /agnhost
}

# link FILE PATH: what an image has at PATH. The pods' file system is the machine's, so it is there as long as the suite runs.
link() { [ -e "$2" ] || { ln -sfn "$1" "$2" && links+=("$2"); }; }

conformance_down() {
  rm -f "${links[@]}"
  cluster_down
}

# results TEXT: prints the result lines of the cases and counts what failed; no line at all is a failure too.
results() {
  local lines=${1:-not ok the suite ran}
  echo "$lines"
  failures=$((failures + $(grep -c '^not ok' <<<"$lines")))
}
