# Sourced by the conformance suites: a cluster whose pods can run agnhost.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
tools=$root/build/tools
mkdir -p "$tools"

# In a kernel without SCTP, agnhost brings its own.
build_agnhost() {
  local modules=$tools/agnhost.mod
  cd "$root/test/conformance/agnhost" && cp go.mod "$modules" && cp go.sum "$tools/agnhost.sum" || return
  grep -qs '^SCTP' /proc/net/protocols || go mod edit -replace "github.com/ishidawataru/sctp=$root/test/conformance/sctp" "$modules" || return
  go build -modfile "$modules" -o "$tools/agnhost" .
}

# conformance_up: two nodes. The suites run /agnhost in their pods, whose file system is the machine's.
conformance_up() {
  (build_agnhost) || { echo "not ok build of agnhost"; exit 1; }
  cluster_up --nodes 2 --image "registry.k8s.io/e2e-test-images/agnhost=$tools/agnhost"
  trap conformance_down EXIT
  [ -e /agnhost ] || { ln -sfn "$tools/agnhost" /agnhost && made_link=1; }
}

conformance_down() {
  [ -z "${made_link:-}" ] || rm -f /agnhost
  cluster_down
}

# results TEXT: prints the result lines of the cases and counts what failed; no line at all is a failure too.
results() {
  local lines=${1:-not ok the suite ran}
  echo "$lines"
  failures=$((failures + $(grep -c '^not ok' <<<"$lines")))
}
