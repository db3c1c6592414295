// Prints the bodies that client-go sends for some objects, a call a line: its name, the protobuf body in hex
// and the JSON body. src/standalone/apimachinery/testdata/protobuf_bodies.txt is what it printed:
//
//	cd test/go && go run ./protobuf >../../src/standalone/apimachinery/testdata/protobuf_bodies.txt
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

var errKept = errors.New("the body is all that is wanted")

// keeper is a transport that keeps a request's body and type, and sends nothing.
type keeper struct {
	mediaType string
	body      []byte
}

func (k *keeper) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	k.body, k.mediaType = body, request.Header.Get("Content-Type")
	return nil, errKept
}

// body is what a typed client that is configured for the media type sends in a call.
func body(mediaType string, call func(context.Context, kubernetes.Interface) error) []byte {
	kept := &keeper{}
	clients, err := kubernetes.NewForConfig(&rest.Config{
		Host:          "http://localhost",
		ContentConfig: rest.ContentConfig{ContentType: mediaType},
		Transport:     kept,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := call(context.Background(), clients); !errors.Is(err, errKept) {
		log.Fatal(err)
	}
	if kept.mediaType != mediaType {
		log.Fatalf("sent %s instead of %s", kept.mediaType, mediaType)
	}
	return kept.body
}

func main() {
	for _, one := range calls {
		protobuf := body(runtime.ContentTypeProtobuf, one.call)
		text := body(runtime.ContentTypeJSON, one.call)
		fmt.Printf("%s %x %s\n", one.name, protobuf, bytes.TrimSpace(text))
	}
}
