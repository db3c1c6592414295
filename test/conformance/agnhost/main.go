// Command agnhost is the part of Kubernetes' agnhost image that the conformance suites of network policy use: its own
// code, put together to a program.
package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"k8s.io/kubernetes/test/images/agnhost/connect"
	"k8s.io/kubernetes/test/images/agnhost/netexec"
	"k8s.io/kubernetes/test/images/agnhost/pause"
	"k8s.io/kubernetes/test/images/agnhost/porter"
	servehostname "k8s.io/kubernetes/test/images/agnhost/serve-hostname"
)

func main() {
	root := &cobra.Command{Use: "agnhost"}
	root.AddCommand(connect.CmdConnect, netexec.CmdNetexec, pause.CmdPause, porter.CmdPorter, servehostname.CmdServeHostname)
	// pause is the image's default. A server of SCTP has nothing to do in a kernel without it; it waits, so that its pod is
	// ready for the other protocols.
	if len(os.Args) == 1 || os.Args[1] == "porter" && servesOnlySCTP() && !kernelHasSCTP() {
		root.SetArgs([]string{"pause"})
	}
	if root.Execute() != nil {
		os.Exit(1)
	}
}

func servesOnlySCTP() bool {
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "SERVE_") && !strings.HasPrefix(variable, "SERVE_SCTP_PORT_") {
			return false
		}
	}
	return true
}

func kernelHasSCTP() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}
