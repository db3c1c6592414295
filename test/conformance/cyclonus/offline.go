package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/mattfenwick/cyclonus/pkg/connectivity"
	"github.com/mattfenwick/cyclonus/pkg/connectivity/probe"
	"github.com/mattfenwick/cyclonus/pkg/generator"
	"github.com/mattfenwick/cyclonus/pkg/kube"
	"github.com/mattfenwick/cyclonus/pkg/matcher"
	"github.com/mattfenwick/cyclonus/pkg/utils"
	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// question is a connection of a case, in the words of weft trace, and whether Cyclonus expects it.
type question struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Port     int    `json:"port"`
	Protocol string `json:"protocol"`
	Allowed  bool   `json:"allowed"`
}

// situation is a cluster after a step of a case.
type situation struct {
	Name      string     `json:"name"`
	Step      int        `json:"step"`
	Manifests []any      `json:"manifests"`
	Questions []question `json:"questions"`
}

// defaultResources are the pods that the cases are about, in a cluster that Cyclonus keeps in memory.
func defaultResources() (*kube.MockKubernetes, *probe.Resources) {
	kubernetes := kube.NewMockKubernetes(1)
	resources, err := probe.NewDefaultResources(kubernetes, namespaces, pods, ports, protocols, nil, 60, batch, "registry.k8s.io")
	utils.DoOrDie(err)
	// An API server adds this one.
	for name, labels := range resources.Namespaces {
		labels["kubernetes.io/metadata.name"] = name
	}
	return kubernetes, resources
}

func perform(state *connectivity.TestCaseState, action *generator.Action) error {
	switch {
	case action.CreatePolicy != nil:
		return state.CreatePolicy(action.CreatePolicy.Policy)
	case action.UpdatePolicy != nil:
		return state.UpdatePolicy(action.UpdatePolicy.Policy)
	case action.DeletePolicy != nil:
		return state.DeletePolicy(action.DeletePolicy.Namespace, action.DeletePolicy.Name)
	case action.CreateNamespace != nil:
		return state.CreateNamespace(action.CreateNamespace.Namespace, action.CreateNamespace.Labels)
	case action.SetNamespaceLabels != nil:
		return state.SetNamespaceLabels(action.SetNamespaceLabels.Namespace, action.SetNamespaceLabels.Labels)
	case action.DeleteNamespace != nil:
		return state.DeleteNamespace(action.DeleteNamespace.Namespace)
	case action.ReadNetworkPolicies != nil:
		return state.ReadPolicies(action.ReadNetworkPolicies.Namespaces)
	case action.CreatePod != nil:
		return state.CreatePod(action.CreatePod.Namespace, action.CreatePod.Pod, action.CreatePod.Labels)
	case action.SetPodLabels != nil:
		return state.SetPodLabels(action.SetPodLabels.Namespace, action.SetPodLabels.Pod, action.SetPodLabels.Labels)
	case action.DeletePod != nil:
		return state.DeletePod(action.DeletePod.Namespace, action.DeletePod.Pod)
	}
	return fmt.Errorf("an action that is not known")
}

func manifestsOf(resources *probe.Resources, policies []*networkingv1.NetworkPolicy) []any {
	var all []any
	for i := 1; i <= 2; i++ {
		all = append(all, &v1.Node{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%d", i)},
		})
	}
	for name, labels := range resources.Namespaces {
		namespace := probe.KubeNamespace(name, labels)
		namespace.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}
		all = append(all, namespace)
	}
	for i, resource := range resources.Pods {
		pod := resource.KubePod()
		pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
		pod.Spec.NodeName = fmt.Sprintf("node-%d", i%2+1)
		pod.Status = v1.PodStatus{
			Phase:      v1.PodRunning,
			PodIP:      resource.IP,
			PodIPs:     []v1.PodIP{{IP: resource.IP}},
			Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue}},
		}
		service := resource.KubeService()
		service.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}
		all = append(all, pod, service)
	}
	for _, policy := range policies {
		policy = policy.DeepCopy()
		policy.TypeMeta = metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}
		all = append(all, policy)
	}
	return all
}

// questionsOf leaves out what no packet is sent for: ports that a pod does not have, and a pod's own address.
func questionsOf(state *connectivity.TestCaseState, config *generator.ProbeConfig) []question {
	simulated := probe.NewSimulatedRunner(matcher.BuildNetworkPolicies(true, state.Policies), &probe.JobBuilder{})
	table := simulated.RunProbeForConfig(config, state.Resources)
	var all []question
	for _, pair := range table.Wrapped.Keys() {
		if pair.From == pair.To {
			continue
		}
		to := "pod/" + pair.To
		if config.Mode == generator.ProbeModeServiceIP {
			pod := probe.PodString(pair.To)
			target, err := state.Resources.GetPod(pod.Namespace(), pod.PodName())
			utils.DoOrDie(err)
			to = fmt.Sprintf("service/%s/%s", target.Namespace, target.ServiceName())
		}
		for _, result := range table.Get(pair.From, pair.To).JobResults {
			if result.Combined != probe.ConnectivityAllowed && result.Combined != probe.ConnectivityBlocked {
				continue
			}
			all = append(all, question{
				From:     pair.From,
				To:       to,
				Port:     result.Job.ResolvedPort,
				Protocol: string(result.Job.Protocol),
				Allowed:  result.Combined == probe.ConnectivityAllowed,
			})
		}
	}
	return all
}

// printSituations writes a line of JSON for each step of the cases.
func printSituations(wanted func(name string) bool) {
	out := json.NewEncoder(os.Stdout)
	_, resources := defaultResources()
	os.Stdout = os.Stderr
	for i, testCase := range generate(resources) {
		name := fmt.Sprintf("%d %s", i+1, testCase.Description)
		if !wanted(name) {
			continue
		}
		kubernetes, resources := defaultResources()
		state := &connectivity.TestCaseState{Kubernetes: kubernetes, Resources: resources}
		for j, step := range testCase.Steps {
			for _, action := range step.Actions {
				utils.DoOrDie(perform(state, action))
			}
			step.Probe.Mode = probeMode(testCase)
			utils.DoOrDie(out.Encode(situation{
				Name:      name,
				Step:      j + 1,
				Manifests: manifestsOf(state.Resources, state.Policies),
				Questions: questionsOf(state, step.Probe),
			}))
		}
	}
}
