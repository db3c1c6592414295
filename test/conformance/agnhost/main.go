// Command agnhost is the part of Kubernetes' agnhost image that the conformance suites of network policy use: its own
// code, put together to a program.
package main

import (
	"os"

	"github.com/spf13/cobra"
	"k8s.io/kubernetes/test/images/agnhost/connect"
	"k8s.io/kubernetes/test/images/agnhost/netexec"
	"k8s.io/kubernetes/test/images/agnhost/pause"
	"k8s.io/kubernetes/test/images/agnhost/porter"
	servehostname "k8s.io/kubernetes/test/images/agnhost/serve-hostname"
)

func main() {
	root := &cobra.Command{Use: "agnhost"}
	root.AddCommand(connect.CmdConnect, netexec.CmdNetexec, pause.CmdPause, porter.CmdPorter, servehostname.CmdServeHostname)
	// The image's default.
	if len(os.Args) == 1 {
		root.SetArgs([]string{"pause"})
	}
	if root.Execute() != nil {
		os.Exit(1)
	}
}
