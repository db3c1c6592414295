#!/usr/bin/env bash
# The conformance suite of Gateway API, unmodified, against a cluster of its own: a result line a case.
# Arguments are names of cases, such as HTTPRouteMatching; without any all are run. Arguments that begin with - are the suite's
# own: --report-output=FILE, --all-features, --supported-features=…. Without features it asks for what the GatewayClass says.
. "$(dirname "$0")/../lib.sh"
here=$root/test/conformance/gateway-api
suite=$tools/gateway-api.test
log=$root/build/gateway-api.json
profiles=GATEWAY-HTTP,GATEWAY-GRPC,GATEWAY-TLS,GATEWAY-TCP,GATEWAY-UDP

# The mesh's profiles are for whoever names their cases or none: to build their image takes minutes.
cases=() options=() mesh=false
for argument; do
  case $argument in
    -*) options+=("$argument") ;;
    Mesh*) cases+=("$argument") mesh=true ;;
    *) cases+=("$argument") ;;
  esac
done
wanted=$(IFS='|'; echo "${cases[*]}")
[ -n "$wanted" ] || mesh=true
# What is not run for want of a name would be reported as passed.
if [ -n "$wanted" ] && [[ " ${options[*]}" == *" -"*report-output* ]]; then echo "a report is of all cases: leave their names out" >&2; exit 2; fi

build() {
  cd "$here" && go test -c -o "$suite" sigs.k8s.io/gateway-api/conformance &&
    go build -o "$tools/echo-basic" sigs.k8s.io/gateway-api/conformance/echo-basic &&
    cd "$here/coredns" && go build -o "$tools/coredns" . || return
  ! $mesh || (cd "$here/echo-advanced" && go build -o "$tools/echo-advanced/" tool)
}

folder_of() { (cd "$here/$1" && go list -m -f '{{.Dir}}' "$2"); }

# report: a line a case; below one that failed, what of it.
report() {
  jq -rs '
    map(select(.Test and (.Action | IN("pass", "fail", "skip")))) as $all |
    $all[] | select(.Test | test("^TestConformance/[^/]+$")) | .Test as $case | ($case | ltrimstr("TestConformance/")) as $name |
    if .Action == "pass" then "ok \($name)" elif .Action == "skip" then "# skipped \($name)" else "not ok \($name)",
      ($all[] | select(.Action == "fail" and (.Test | startswith($case + "/"))) | "  | \(.Test | ltrimstr($case + "/"))") end' "$log"
}

(build) || { echo "not ok build of the suite and its images"; exit 1; }
crds=$(folder_of . sigs.k8s.io/gateway-api)/config/crd/experimental
images=("registry.k8s.io/gateway-api/echo-basic=$tools/echo-basic" "registry.k8s.io/coredns/coredns=$tools/coredns")
if $mesh; then profiles+=,MESH-HTTP,MESH-GRPC images+=("registry.k8s.io/gateway-api/echo-advanced=$tools/echo-advanced/server"); fi
conformance_up "${images[@]}"
if $mesh; then
  certificates=$(folder_of echo-advanced istio.io/istio)/tests/testdata/certs
  link "$tools/echo-advanced/client" /usr/local/bin/client
  link "$certificates/cert.crt" /cert.crt
  link "$certificates/cert.key" /cert.key
fi

definitions=()
for file in "$crds"/*_*.yaml; do
  # An admission policy about upgrades, which are none here.
  [[ $file == *_vap_* ]] || definitions+=(-f "$file")
done
check "the suite's definitions apply" kubectl apply --server-side "${definitions[@]}"
check "and are established" kubectl wait --for=condition=Established --timeout=10s crd --all
check "the GatewayClass is accepted" kubectl wait --for=condition=Accepted --timeout=10s gatewayclass/weft
if $mesh; then
  kubectl apply -f - <<YAML >/dev/null
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XMesh
metadata: {name: weft}
spec: {controllerName: weft.dev/gateway-controller}
YAML
  check "the XMesh is accepted" kubectl wait --for=condition=Accepted --timeout=10s xmesh/weft
  options+=(-mesh-name=weft)
fi

# A load balancer's address is of the pool that weft up comes with; the highest is the last to be given away.
segment=$(kubectl get addresspool weft-up -o jsonpath='{.spec.addresses[0]}')
go tool test2json "$suite" -test.v -test.timeout=90m -test.parallel=40 -test.run="^TestConformance$/^(${wanted:-.*})$" \
  -gateway-class=weft -conformance-profiles="$profiles" -usable-address="${segment#*-}" -unusable-address=192.0.2.1 \
  -organization=weft -project=weft -url=https://weft.dev -version="$(git -C "$root" rev-parse --short HEAD)" -contact=weft "${options[@]}" |
  tee "$log" | jq -j 'select(.Action == "output") | .Output' >&2
results "$(report)"

check "no Gateway or route is left" eventually 10 expect '^$' kubectl get gateways,httproutes,grpcroutes,tlsroutes,tcproutes,udproutes,listenersets -A -o name
check "and no slice of the mesh" eventually 10 expect '^$' kubectl get endpointslices -A -l weft.dev/mesh-of -o name
