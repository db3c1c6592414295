package main

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
)

type call struct {
	name string
	call func(context.Context, kubernetes.Interface) error
}

func ptr[T any](value T) *T { return &value }

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

var (
	create = metav1.CreateOptions{}
	update = metav1.UpdateOptions{}
	noon   = time.Date(2026, 1, 2, 12, 4, 5, 678901000, time.UTC)
	labels = map[string]string{"app": "web", "empty": ""}
)

var calls = []call{
	{"Namespace", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: meta("shop")}, create)
		return err
	}},
	{"ConfigMap", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.CoreV1().ConfigMaps("a").Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: "é", Annotations: map[string]string{"line": "a\nb\"c"}},
			Immutable:  ptr(false),
			Data:       map[string]string{"key": "value", "none": ""},
			BinaryData: map[string][]byte{"bytes": {0, 255, 1}, "none": {}},
		}, create)
		return err
	}},
	{"Secret", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.CoreV1().Secrets("a").Create(ctx, &corev1.Secret{ObjectMeta: meta("s"), Type: corev1.SecretTypeOpaque,
			Data: map[string][]byte{"a": []byte("b"), "three": []byte("abc")}, StringData: map[string]string{"c": "d"}}, create)
		return err
	}},
	{"Service", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.CoreV1().Services("a").Create(ctx, &corev1.Service{ObjectMeta: meta("web"), Spec: corev1.ServiceSpec{
			Selector: labels,
			Ports: []corev1.ServicePort{
				{Name: "http", Port: 80, TargetPort: intstr.FromString("web")},
				{Name: "dns", Protocol: corev1.ProtocolUDP, Port: 53, TargetPort: intstr.FromInt32(5353), AppProtocol: ptr("")},
				{Name: "unset", Port: 81},
			},
			IPFamilies:            []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol},
			IPFamilyPolicy:        ptr(corev1.IPFamilyPolicyPreferDualStack),
			SessionAffinityConfig: &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: ptr[int32](5)}},
		}}, create)
		return err
	}},
	{"Deployment", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.AppsV1().Deployments("a").Create(ctx, deployment(), create)
		return err
	}},
	{"PlainDeployment", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.AppsV1().Deployments("a").Create(ctx, &appsv1.Deployment{ObjectMeta: meta("plain")}, create)
		return err
	}},
	{"ControllerRevision", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.AppsV1().ControllerRevisions("a").Create(ctx, &appsv1.ControllerRevision{ObjectMeta: meta("r"),
			Data: runtime.RawExtension{Raw: []byte(`{"spec":{"a":[1,-2.5,"x"]}}`)}}, create)
		return err
	}},
	{"NoControllerRevision", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.AppsV1().ControllerRevisions("a").Create(ctx, &appsv1.ControllerRevision{ObjectMeta: meta("r")}, create)
		return err
	}},
	{"NetworkPolicy", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.NetworkingV1().NetworkPolicies("a").Create(ctx, &networkingv1.NetworkPolicy{ObjectMeta: meta("p"),
			Spec: networkingv1.NetworkPolicySpec{
				PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
				Ingress: []networkingv1.NetworkPolicyIngressRule{{}, {
					From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}},
						{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16"}}}},
					Ports: []networkingv1.NetworkPolicyPort{
						{Protocol: ptr(corev1.ProtocolTCP), Port: ptr(intstr.FromInt32(80)), EndPort: ptr[int32](90)},
						{Port: ptr(intstr.FromString("http"))}, {Port: ptr(intstr.FromInt32(0))}},
				}},
				Egress: []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{
					NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
						{Key: "team", Operator: metav1.LabelSelectorOpIn, Values: []string{"a", ""}}}}}}}},
			}}, create)
		return err
	}},
	{"Ingress", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.NetworkingV1().Ingresses("a").Create(ctx, &networkingv1.Ingress{ObjectMeta: meta("i"),
			Spec: networkingv1.IngressSpec{IngressClassName: ptr("weft"),
				DefaultBackend: &networkingv1.IngressBackend{
					Resource: &corev1.TypedLocalObjectReference{APIGroup: ptr("example.com"), Kind: "Bucket", Name: "b"}},
				TLS: []networkingv1.IngressTLS{{Hosts: []string{"a.example"}, SecretName: "tls"}},
				Rules: []networkingv1.IngressRule{{Host: "a.example", IngressRuleValue: networkingv1.IngressRuleValue{
					HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
						Path: "/", PathType: ptr(networkingv1.PathTypePrefix),
						Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web",
							Port: networkingv1.ServiceBackendPort{Number: 80}}}}}}}}, {}},
			}}, create)
		return err
	}},
	{"IngressClass", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.NetworkingV1().IngressClasses().Create(ctx, &networkingv1.IngressClass{ObjectMeta: meta("weft"),
			Spec: networkingv1.IngressClassSpec{Controller: "example.com/weft", Parameters: &networkingv1.IngressClassParametersReference{
				APIGroup: ptr("example.com"), Kind: "Settings", Name: "s", Scope: ptr("Cluster")}}}, create)
		return err
	}},
	{"EndpointSlice", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.DiscoveryV1().EndpointSlices("a").Create(ctx, &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "web-", Labels: labels, OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "v1", Kind: "Service", Name: "web", UID: "u-1", Controller: ptr(true)}}},
			AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, NodeName: ptr("n"), Zone: ptr("z"),
				Conditions: discoveryv1.EndpointConditions{Ready: ptr(true), Terminating: ptr(false)},
				TargetRef:  &corev1.ObjectReference{Kind: "Pod", Name: "web-0"},
				Hints:      &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: "z"}}}},
				{Addresses: []string{"10.0.0.2"}}},
			Ports: []discoveryv1.EndpointPort{{Name: ptr(""), Port: ptr[int32](8080)}, {}},
		}, create)
		return err
	}},
	{"Lease", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.CoordinationV1().Leases("a").Create(ctx, &coordinationv1.Lease{ObjectMeta: meta("l"),
			Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr(""), LeaseDurationSeconds: ptr[int32](15),
				AcquireTime: ptr(metav1.NewMicroTime(noon)), RenewTime: ptr(metav1.NewMicroTime(time.Unix(-2, 5000))),
				LeaseTransitions: ptr[int32](0)}}, create)
		return err
	}},
	{"Event", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.CoreV1().Events("a").Create(ctx, &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: "a"},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "p", FieldPath: "spec.containers{c}"},
			Reason:         "Started", Message: "it runs", Type: "Normal", Count: 2, Source: corev1.EventSource{Component: "x"},
			FirstTimestamp: metav1.NewTime(time.Unix(0, 0)), LastTimestamp: metav1.NewTime(noon)}, create)
		return err
	}},
	{"NodeStatus", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.CoreV1().Nodes().UpdateStatus(ctx, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "n", ResourceVersion: "7", CreationTimestamp: metav1.NewTime(noon),
				ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m", Operation: metav1.ManagedFieldsOperationApply,
					FieldsType: "FieldsV1", Time: ptr(metav1.NewTime(noon)), FieldsV1: metav1.NewFieldsV1(`{"f:status":{}}`)}}},
			Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: "k", Effect: corev1.TaintEffectNoSchedule}}},
			Status: corev1.NodeStatus{
				Capacity:   corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("4Gi")},
				Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: "True"}}}}, update)
		return err
	}},
	{"Scale", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.AppsV1().Deployments("a").UpdateScale(ctx, "d", &autoscalingv1.Scale{ObjectMeta: meta("d"),
			Spec: autoscalingv1.ScaleSpec{Replicas: 3}, Status: autoscalingv1.ScaleStatus{Selector: "a=b"}}, update)
		return err
	}},
	{"Binding", func(ctx context.Context, c kubernetes.Interface) error {
		return c.CoreV1().Pods("a").Bind(ctx, &corev1.Binding{ObjectMeta: meta("p"),
			Target: corev1.ObjectReference{Kind: "Node", Name: "n"}}, create)
	}},
	{"Eviction", func(ctx context.Context, c kubernetes.Interface) error {
		return c.PolicyV1().Evictions("a").Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "a"},
			DeleteOptions: &metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}})
	}},
	{"DeleteOptions", func(ctx context.Context, c kubernetes.Interface) error {
		return c.CoreV1().Pods("a").Delete(ctx, "p", metav1.DeleteOptions{GracePeriodSeconds: ptr[int64](0),
			PropagationPolicy: ptr(metav1.DeletePropagationForeground), Preconditions: metav1.NewUIDPreconditions("u-1")})
	}},
	{"GroupDeleteOptions", func(ctx context.Context, c kubernetes.Interface) error {
		return c.AppsV1().Deployments("a").Delete(ctx, "d", metav1.DeleteOptions{})
	}},
	{"SelfSubjectAccessReview", func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: "get", Resource: "pods"}}}, create)
		return err
	}},
}
