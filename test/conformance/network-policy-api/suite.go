// Package networkpolicyapi names the conformance suite of network-policy-api, so that go.mod has its version. run.sh builds
// the suite's own test program from it.
package networkpolicyapi

import (
	_ "sigs.k8s.io/network-policy-api/conformance/tests"
)
