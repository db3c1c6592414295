// Package gatewayapi names the conformance suite of Gateway API, so that go.mod has its version. run.sh builds the suite's own
// test program from it.
package gatewayapi

import (
	_ "sigs.k8s.io/gateway-api/conformance"
)
