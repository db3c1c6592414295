// Package clientgo drives Weft's API server with unmodified client-go and controller-runtime.
// KUBECONFIG names the cluster; `make test` sets it.
package clientgo

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func config(t *testing.T) *rest.Config {
	t.Helper()
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		t.Skip("KUBECONFIG is not set")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	// Typed client-go clients prefer protobuf when asked to; JSON is their default and what this server speaks.
	config.QPS, config.Burst = 500, 500
	return config
}

func namespace(t *testing.T, clients kubernetes.Interface) string {
	t.Helper()
	created, err := clients.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "clientgo-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		if err := clients.CoreV1().Namespaces().Delete(ctx, created.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
			_, err := clients.CoreV1().Namespaces().Get(ctx, created.Name, metav1.GetOptions{})
			return apierrors.IsNotFound(err), nil
		})
		if err != nil {
			t.Errorf("namespace %s does not go away: %v", created.Name, err)
		}
	})
	return created.Name
}

// TestInformer creates, changes and deletes objects while a shared informer watches: its cache must end equal to the server's.
func TestInformer(t *testing.T) {
	clients := kubernetes.NewForConfigOrDie(config(t))
	ns := namespace(t, clients)

	factory := informers.NewSharedInformerFactoryWithOptions(clients, 0, informers.WithNamespace(ns))
	informer := factory.Core().V1().ConfigMaps().Informer()
	var mu sync.Mutex
	added, updated, deleted := 0, 0, 0
	// Every namespace is given a ConfigMap of its own, at some moment.
	count := func(counter *int) func(any) {
		return func(object any) {
			mu.Lock()
			defer mu.Unlock()
			if object.(*corev1.ConfigMap).Name != "kube-root-ca.crt" {
				*counter++
			}
		}
	}
	informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    count(&added),
		UpdateFunc: func(_, object any) { count(&updated)(object) },
		DeleteFunc: count(&deleted),
	})
	stop := make(chan struct{})
	defer close(stop)
	factory.Start(stop)
	for kind, ok := range factory.WaitForCacheSync(stop) {
		if !ok {
			t.Fatalf("%v did not sync", kind)
		}
	}

	maps := clients.CoreV1().ConfigMaps(ns)
	const n = 50
	for i := range n {
		name := fmt.Sprintf("m%d", i)
		created, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		created.Data = map[string]string{"k": "v"}
		if _, err := maps.Update(t.Context(), created, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		// The same resourceVersion a second time is a conflict.
		if _, err := maps.Update(t.Context(), created, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
			t.Fatalf("stale update: %v", err)
		}
		if err := maps.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		return added == n && updated == n && deleted == n, nil
	})
	if err != nil {
		t.Fatalf("added %d, updated %d, deleted %d of %d each", added, updated, deleted, n)
	}
}

// TestErrors wants upstream's reasons for what upstream refuses.
func TestErrors(t *testing.T) {
	clients := kubernetes.NewForConfigOrDie(config(t))
	ns := namespace(t, clients)
	services := clients.CoreV1().Services(ns)

	_, err := services.Get(t.Context(), "absent", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("get of an absent Service: %v", err)
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{
		Ports: []corev1.ServicePort{{Port: 70000}}}}
	_, err = services.Create(t.Context(), service, metav1.CreateOptions{})
	if !apierrors.IsInvalid(err) || !apierrors.HasStatusCause(err, metav1.CauseTypeFieldValueInvalid) {
		t.Errorf("port 70000: %v", err)
	}
	service.Spec.Ports[0].Port = 80
	created, err := services.Create(t.Context(), service, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if created.Spec.ClusterIP == "" || created.Spec.Ports[0].TargetPort.IntValue() != 80 {
		t.Errorf("not defaulted: %+v", created.Spec)
	}
	if _, err = services.Create(t.Context(), service, metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Errorf("second create: %v", err)
	}
	_, err = clients.CoreV1().ConfigMaps("absent-namespace").Create(t.Context(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.CreateOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("create in an absent namespace: %v", err)
	}
	patch := []byte(`{"spec":{"ports":[{"port":81,"name":"b"},{"port":80,"name":"a"}]}}`)
	patched, err := services.Patch(t.Context(), "web", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil || len(patched.Spec.Ports) != 2 {
		t.Errorf("strategic merge by port: %v %+v", err, patched.Spec.Ports)
	}
}

// TestPaging reads a collection in pages, and the pages make the whole.
func TestPaging(t *testing.T) {
	clients := kubernetes.NewForConfigOrDie(config(t))
	ns := namespace(t, clients)
	maps := clients.CoreV1().ConfigMaps(ns)
	for i := range 25 {
		_, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%02d", i)}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	options := metav1.ListOptions{Limit: 10}
	for pages := 0; ; pages++ {
		page, err := maps.List(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			seen[item.Name] = true
		}
		if options.Continue = page.Continue; options.Continue == "" {
			if pages < 2 {
				t.Errorf("only %d pages", pages+1)
			}
			break
		}
	}
	if len(seen) < 25 {
		t.Errorf("saw %d of 25", len(seen))
	}
}

// TestManager runs a controller-runtime manager that labels each Deployment it is told of.
func TestManager(t *testing.T) {
	rest := config(t)
	clients := kubernetes.NewForConfigOrDie(rest)
	ns := namespace(t, clients)
	manager, err := ctrl.NewManager(rest, ctrl.Options{Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	err = ctrl.NewControllerManagedBy(manager).For(&appsv1.Deployment{}).Complete(reconcile.Func(
		func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
			var deployment appsv1.Deployment
			if err := manager.GetClient().Get(ctx, request.NamespacedName, &deployment); err != nil {
				return reconcile.Result{}, client.IgnoreNotFound(err)
			}
			if deployment.Namespace != ns || deployment.Labels["seen"] == "yes" {
				return reconcile.Result{}, nil
			}
			before := deployment.DeepCopy()
			deployment.Labels = map[string]string{"seen": "yes"}
			return reconcile.Result{}, manager.GetClient().Patch(ctx, &deployment, client.MergeFrom(before))
		}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()

	zero := int32(0)
	labels := map[string]string{"app": "x"}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: appsv1.DeploymentSpec{
		Replicas: &zero, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "weft/echo"}}}}}}
	if _, err := clients.AppsV1().Deployments(ns).Create(t.Context(), deployment, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	err = wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 15*time.Second, true, func(ctx context.Context) (bool, error) {
		got, err := clients.AppsV1().Deployments(ns).Get(ctx, "x", metav1.GetOptions{})
		return err == nil && got.Labels["seen"] == "yes", nil
	})
	if err != nil {
		t.Error("the controller's patch did not arrive")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestLeaderElection takes, holds and gives back a Lease.
func TestLeaderElection(t *testing.T) {
	clients := kubernetes.NewForConfigOrDie(config(t))
	ns := namespace(t, clients)
	ctx, cancel := context.WithCancel(t.Context())
	led := make(chan struct{})
	const retryPeriod = time.Second
	lock := &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Namespace: ns, Name: "leader"},
		Client: clients.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: "one"}}
	// The leader renews the moment it leads. A renewal that is cancelled on its way can still reach the server, after
	// which client-go's release is a conflict: so leadership ends between two renewals.
	go func() {
		<-led
		time.Sleep(retryPeriod / 2)
		cancel()
	}()
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{Lock: lock, ReleaseOnCancel: true,
		LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: retryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(led) }, OnStoppedLeading: func() {}}})
	lease, err := clients.CoordinationV1().Leases(ns).Get(t.Context(), "leader", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != "" {
		t.Errorf("lease after release: %v %+v", err, lease.Spec)
	}
}
