// Kubernetes' API server and its controllers in one program, for tests: the first argument says which it is.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	parts := map[string]func() *cobra.Command{
		"apiserver":   apiserver.NewAPIServerCommand,
		"controllers": controllers.NewControllerManagerCommand,
	}
	part := ""
	if len(os.Args) > 1 {
		part = os.Args[1]
	}
	command, known := parts[part]
	if !known {
		fmt.Fprintln(os.Stderr, "say apiserver or controllers")
		os.Exit(64)
	}
	os.Args = append(os.Args[:1], os.Args[2:]...)
	os.Exit(cli.Run(command()))
}
