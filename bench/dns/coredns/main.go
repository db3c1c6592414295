// CoreDNS with the plugins that a cluster's Corefile has on the way of an answer from the zone, for a comparison
// on one machine.
package main

import (
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/metrics"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
)

func main() {
	// In CoreDNS's own order.
	dnsserver.Directives = []string{"bind", "prometheus", "errors", "loadbalance", "cache", "kubernetes"}
	coremain.Run()
}
