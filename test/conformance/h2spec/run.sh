#!/usr/bin/env bash
# h2spec (RFC 9113 and RFC 7541, case by case, strict ones too) against a Gateway: without TLS by prior knowledge, and over TLS. A
# result line a case.
. "$(dirname "$0")/../lib.sh"
here=$root/test/conformance/h2spec
log=$root/build/h2spec.log

build() { cd "$here" && go build -o "$tools/h2spec" tool; }
(build) || { echo "not ok build of h2spec"; exit 1; }
conformance_up
work=$(mktemp -d)
trap 'rm -rf "$work"; conformance_down' EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/key" -out "$work/cert" -days 2 -subj "/CN=h2spec" 2>/dev/null
check "the Secret" kubectl create secret tls h2spec --cert "$work/cert" --key "$work/key"
check "a Gateway and what is behind it" kubectl apply -f "$here/manifests.yaml"
check "the backend is ready" kubectl wait --for=condition=Ready pod/echo --timeout=30s
check "the Gateway is programmed" kubectl wait --for=condition=Programmed gateway/h2spec --timeout=15s
address=$(kubectl get gateway h2spec -o jsonpath='{.status.addresses[?(@.type=="IPAddress")].value}' | tr ' ' '\n' | grep -v :)
check "it answers" eventually 10 expect '^200$' curl -s -o /dev/null -w '%{http_code}' --http2-prior-knowledge "http://$address/"

# What is answered otherwise, and why that is as good. A case that passes all the same has to leave this list.
known='
h2c http2/3.5: Sends invalid connection preface = without TLS that is a request of HTTP/1.1, which gets its 400
h2c http2/5.1.1: Sends stream identifier that is numerically smaller than previous = taken for a stream that was closed long ago: passed over
h2 http2/5.1.1: Sends stream identifier that is numerically smaller than previous = the same
'

# report NAME FILE: a line a case of a JUnit report; below one that failed, what of it.
report() {
  KNOWN=$known python3 - "$@" <<'PYTHON'
import os, re, sys, xml.etree.ElementTree as tree
name, file = sys.argv[1:]
known = dict(line.split(" = ") for line in os.environ["KNOWN"].strip().splitlines())
# What a case got instead is told byte by byte, which XML does not allow.
text = re.sub(r"[^\t\n\x20-\x7e]|&#x?[0-9a-fA-F]+;", "?", open(file, encoding="utf-8", errors="replace").read())
for suite in tree.fromstring(text.split("?>", 1)[-1]).iter("testsuite"):
    for case in suite.iter("testcase"):
        title = f'{name} {case.get("package")}: {case.get("classname")}'
        wrong = case.find("failure") if case.find("failure") is not None else case.find("error")
        if title in known:
            print(f"not ok {title}: passes now" if wrong is None else f"# differs: {title}: {known[title]}")
        elif wrong is not None:
            print(f"not ok {title}")
            print(*(f"  | {line}" for line in (wrong.text or "").strip().splitlines()), sep="\n")
        elif case.find("skipped") is not None:
            print(f"# skipped {title}")
        else:
            print(f"ok {title}")
PYTHON
}
# run NAME ARGS…
run() {
  local name=$1
  shift
  "$tools/h2spec" --strict --host "$address" --timeout 5 --junit-report "$work/$name.xml" "$@" >>"$log" 2>&1
  results "$(report "$name" "$work/$name.xml")"
}
: >"$log"
run h2c --port 80
run h2 --port 443 --tls --insecure
