// Command cyclonus runs the cases that Cyclonus generates, unmodified, with its own probes and its own idea of what each
// policy means, a result line a case. Its own command does the same, but starts a process through the API server for each
// of the 486 connections of a case; here a pod is asked for all of its own at once. With -offline it prints what predict
// compares with what weft trace says.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"

	"github.com/mattfenwick/cyclonus/pkg/connectivity"
	"github.com/mattfenwick/cyclonus/pkg/connectivity/probe"
	"github.com/mattfenwick/cyclonus/pkg/generator"
	"github.com/mattfenwick/cyclonus/pkg/kube"
	"github.com/mattfenwick/cyclonus/pkg/utils"
	v1 "k8s.io/api/core/v1"
	clients "k8s.io/client-go/kubernetes"
)

var (
	namespaces = []string{"x", "y", "z"}
	pods       = []string{"a", "b", "c"}
	ports      = []int{80, 81}
	protocols  = []v1.Protocol{v1.ProtocolTCP, v1.ProtocolUDP, v1.ProtocolSCTP}
)

// By default Cyclonus expects that a policy could deny a pod its own address, which the API rules out.
const ignoreLoopback = true

const batch = true

// probeMode is for what Cyclonus has the flag -destination-type: names would be waited for in vain, for minutes a case,
// where a policy denies DNS. Of pods that a case makes or relabels Cyclonus has no Service's address.
func probeMode(testCase *generator.TestCase) generator.ProbeMode {
	for _, step := range testCase.Steps {
		for _, action := range step.Actions {
			if action.CreatePod != nil || action.SetPodLabels != nil {
				return generator.ProbeModePodIP
			}
		}
	}
	return generator.ProbeModeServiceIP
}

func connect() *kube.Kubernetes {
	kubernetes, err := kube.NewKubernetesForContext("")
	utils.DoOrDie(err)
	// By default the client waits between requests, three seconds a case.
	kubernetes.RestConfig.QPS = -1
	kubernetes.ClientSet, err = clients.NewForConfig(kubernetes.RestConfig)
	utils.DoOrDie(err)
	return kubernetes
}

func generate(resources *probe.Resources) []*generator.TestCase {
	pod, err := resources.GetPod("z", "c")
	utils.DoOrDie(err)
	return generator.NewTestCaseGenerator(true, pod.IP, namespaces, nil, nil).GenerateAllTestCases()
}

func main() {
	wanted := flag.String("cases", "", "a regular expression for \"NUMBER DESCRIPTION\" of the cases to run")
	offline := flag.Bool("offline", false, "print the cases' objects and what Cyclonus expects of them, and run nothing")
	flag.Parse()
	cases := regexp.MustCompile(*wanted)
	if *offline {
		printSituations(cases.MatchString)
		return
	}
	// Cyclonus tells what differs at the standard output, which is for results here.
	results := os.Stdout
	os.Stdout = os.Stderr

	kubernetes := connect()
	resources, err := probe.NewDefaultResources(kubernetes, namespaces, pods, ports, protocols, nil, 60, batch, "registry.k8s.io")
	utils.DoOrDie(err)
	interpreter := connectivity.NewInterpreter(kubernetes, resources, &connectivity.InterpreterConfig{
		ResetClusterBeforeTestCase:       true,
		VerifyClusterStateBeforeTestCase: true,
		PerturbationWaitSeconds:          1,
		KubeProbeRetries:                 1,
		BatchJobs:                        batch,
		IgnoreLoopback:                   ignoreLoopback,
	})
	printer := &connectivity.Printer{IgnoreLoopback: ignoreLoopback}
	for i, testCase := range generate(resources) {
		name := fmt.Sprintf("%d %s", i+1, testCase.Description)
		if !cases.MatchString(name) {
			continue
		}
		for _, step := range testCase.Steps {
			step.Probe.Mode = probeMode(testCase)
		}
		result := interpreter.ExecuteTestCase(testCase)
		if result.Err != nil {
			fmt.Fprintf(os.Stderr, "%s: %+v\n", name, result.Err)
			fmt.Fprintln(results, "not ok", name)
			continue
		}
		printer.PrintTestCaseResult(result)
		if result.Passed(ignoreLoopback) {
			fmt.Fprintln(results, "ok", name)
		} else {
			fmt.Fprintln(results, "not ok", name)
		}
	}
}
