package clientgo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// shell is a running pod in which commands can be run.
type shell struct {
	config    *rest.Config
	clients   kubernetes.Interface
	namespace string
}

func newShell(t *testing.T) shell {
	t.Helper()
	config := config(t)
	clients := kubernetes.NewForConfigOrDie(config)
	ns := namespace(t, clients)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "shell"},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64),
			Containers:                    []corev1.Container{{Name: "shell", Image: "host", Command: []string{"sleep", "infinity"}}},
		},
	}
	pods := clients.CoreV1().Pods(ns)
	if _, err := pods.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		got, err := pods.Get(ctx, "shell", metav1.GetOptions{})
		return err == nil && got.Status.Phase == corev1.PodRunning, err
	})
	if err != nil {
		t.Fatalf("the pod does not run: %v", err)
	}
	return shell{config, clients, ns}
}

// spdy runs a command over SPDY/3.1.
func (s shell) spdy(ctx context.Context, streams remotecommand.StreamOptions, command ...string) error {
	return s.spdyAsking(ctx, &corev1.PodExecOptions{
		Command: command,
		Stdin:   streams.Stdin != nil,
		Stdout:  streams.Stdout != nil,
		Stderr:  streams.Stderr != nil,
		TTY:     streams.Tty,
	}, streams)
}

func (s shell) spdyAsking(ctx context.Context, asked *corev1.PodExecOptions, streams remotecommand.StreamOptions) error {
	request := s.clients.CoreV1().RESTClient().Post().Namespace(s.namespace).Resource("pods").Name("shell").SubResource("exec").
		VersionedParams(asked, scheme.ParameterCodec)
	executor, err := remotecommand.NewSPDYExecutor(s.config, "POST", request.URL())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	return executor.StreamWithContext(ctx, streams)
}

func (s shell) run(t *testing.T, stdin io.Reader, command ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = s.spdy(t.Context(), remotecommand.StreamOptions{Stdin: stdin, Stdout: &out, Stderr: &errs}, command...)
	return out.String(), errs.String(), err
}

// TestExecSPDY runs commands over the protocol that clients had before WebSocket.
func TestExecSPDY(t *testing.T) {
	s := newShell(t)

	t.Run("Output", func(t *testing.T) {
		stdout, stderr, err := s.run(t, nil, "sh", "-c", "echo out; echo err >&2")
		if stdout != "out\n" || stderr != "err\n" || err != nil {
			t.Errorf("%q, %q, %v", stdout, stderr, err)
		}
	})
	t.Run("ExitCode", func(t *testing.T) {
		_, _, err := s.run(t, nil, "sh", "-c", "exit 42")
		var code exec.CodeExitError
		if !errors.As(err, &code) || code.Code != 42 {
			t.Errorf("%v", err)
		}
		_, stderr, err := s.run(t, nil, "/no/such/program")
		if !errors.As(err, &code) || code.Code != 127 || stderr == "" {
			t.Errorf("%q, %v", stderr, err)
		}
	})
	t.Run("Stdin", func(t *testing.T) {
		stdout, _, err := s.run(t, strings.NewReader("a\nb\nc\n"), "wc", "-l")
		if strings.TrimSpace(stdout) != "3" || err != nil {
			t.Errorf("%q, %v", stdout, err)
		}
	})
	t.Run("LargeBothWays", func(t *testing.T) {
		input := strings.Repeat("0123456789abcde\n", 1<<20) // 16 MiB
		stdout, _, err := s.run(t, strings.NewReader(input), "cat")
		if stdout != input || err != nil {
			t.Errorf("%d of %d bytes came back, %v", len(stdout), len(input), err)
		}
	})
	t.Run("LargeOutputToASlowReader", func(t *testing.T) {
		slow := &slowWriter{}
		err := s.spdy(t.Context(), remotecommand.StreamOptions{Stdout: slow}, "head", "-c", "20000000", "/dev/zero")
		if slow.size != 20000000 || err != nil {
			t.Errorf("%d bytes, %v", slow.size, err)
		}
	})
	t.Run("StdinNobodyReads", func(t *testing.T) {
		if _, _, err := s.run(t, strings.NewReader(strings.Repeat("x", 1<<20)), "true"); err != nil {
			t.Error(err)
		}
	})
	t.Run("Terminal", func(t *testing.T) {
		var out bytes.Buffer
		err := s.spdy(t.Context(), remotecommand.StreamOptions{
			Stdin:             strings.NewReader("stty size; exit 3\n"),
			Stdout:            &out,
			Tty:               true,
			TerminalSizeQueue: &oneSize{size: &remotecommand.TerminalSize{Width: 91, Height: 17}},
		}, "sh", "-c", "sleep 0.3; exec sh")
		var code exec.CodeExitError
		if !errors.As(err, &code) || code.Code != 3 || !strings.Contains(out.String(), "17 91") {
			t.Errorf("%q, %v", out.String(), err)
		}
	})
	t.Run("TerminalAskedForWithoutAStreamForItsSize", func(t *testing.T) {
		var out, errs bytes.Buffer
		asked := &corev1.PodExecOptions{Command: []string{"tty"}, Stdout: true, Stderr: true, TTY: true}
		err := s.spdyAsking(t.Context(), asked, remotecommand.StreamOptions{Stdout: &out, Stderr: &errs})
		if !strings.Contains(out.String(), "/dev/pts/") || err != nil {
			t.Errorf("%q, %q, %v", out.String(), errs.String(), err)
		}
	})
	t.Run("Concurrent", func(t *testing.T) {
		var group sync.WaitGroup
		for i := range 30 {
			group.Go(func() {
				want := fmt.Sprintf("%d\n", i)
				stdout, _, err := s.run(t, strings.NewReader(want), "cat")
				if stdout != want || err != nil {
					t.Errorf("%d: %q, %v", i, stdout, err)
				}
			})
		}
		group.Wait()
	})
	t.Run("AClientThatGoesTakesItsCommandAlong", func(t *testing.T) {
		runs := func(want bool) error {
			return wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
				stdout, _, err := s.run(t, nil, "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; true")
				return strings.Contains(stdout, "sleep 12321") == want, err
			})
		}
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		left := make(chan error, 1)
		go func() { left <- s.spdy(ctx, remotecommand.StreamOptions{Stdout: io.Discard}, "sleep", "12321") }()
		if err := runs(true); err != nil {
			t.Fatalf("it does not run: %v", err)
		}
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := runs(false); err != nil {
			t.Errorf("it still runs: %v", err)
		}
	})
	t.Run("Refusals", func(t *testing.T) {
		missing := s
		missing.namespace = "default"
		if _, _, err := missing.run(t, nil, "true"); err == nil || !strings.Contains(err.Error(), "not found") {
			t.Errorf("%v", err)
		}
	})
}

type slowWriter struct{ size int }

func (w *slowWriter) Write(p []byte) (int, error) {
	if w.size == 0 {
		time.Sleep(2 * time.Second)
	}
	w.size += len(p)
	return len(p), nil
}

type oneSize struct{ size *remotecommand.TerminalSize }

func (q *oneSize) Next() *remotecommand.TerminalSize {
	size := q.size
	q.size = nil
	return size
}
