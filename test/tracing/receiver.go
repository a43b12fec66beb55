// Package tracing receives traces as a collector of OpenTelemetry does, by OTLP over
// gRPC.
package tracing

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
)

// Receiver is a collector that keeps what it gets.
type Receiver struct {
	collector.UnimplementedTraceServiceServer
	URL string

	mu       sync.Mutex
	requests []*collector.ExportTraceServiceRequest
	silent   bool
	waiting  int
	end      chan struct{}
}

// Start starts a collector for the time of a test.
func Start(t *testing.T) *Receiver {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Receiver{URL: "http://" + listener.Addr().String(), end: make(chan struct{})}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, r)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		close(r.end)
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return r
}

// Export implements the server of the protocol.
func (r *Receiver) Export(ctx context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	silent := r.silent
	if silent {
		r.waiting++
	} else {
		r.requests = append(r.requests, request)
	}
	r.mu.Unlock()
	if silent {
		select {
		case <-r.end:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// Silence has the collector accept connections and answer no longer.
func (r *Receiver) Silence(silent bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = silent
}

// Waiting returns how many requests got no answer.
func (r *Receiver) Waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting
}

// Trees returns the traces that have arrived, as trees from their first spans on.
func (r *Receiver) Trees() []*Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	nodes := map[string]*Node{}
	var all []*Node
	for _, request := range r.requests {
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				for _, span := range scope.Spans {
					n := &Node{Span: span}
					nodes[string(span.SpanId)] = n
					all = append(all, n)
				}
			}
		}
	}
	var roots []*Node
	for _, n := range all {
		if parent := nodes[string(n.Span.ParentSpanId)]; parent != nil {
			parent.Below = append(parent.Below, n)
		} else if len(n.Span.ParentSpanId) == 0 {
			roots = append(roots, n)
		}
	}
	return roots
}

// Text returns all that has arrived, as text.
func (r *Receiver) Text(t *testing.T) string {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []byte
	for _, request := range r.requests {
		text, err := protojson.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return string(all)
}

// Node is a span with those below it.
type Node struct {
	Span  *trace.Span
	Below []*Node
}

// Attribute returns an attribute as text, "" if the span has none of this name.
func (n *Node) Attribute(key string) string {
	for _, a := range n.Span.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// Find returns the first span of a name, in or below the node, or nil.
func (n *Node) Find(name string) *Node {
	if n.Span.Name == name {
		return n
	}
	for _, below := range n.Below {
		if found := below.Find(name); found != nil {
			return found
		}
	}
	return nil
}

// Resource returns the attributes of the process that sent the spans.
func (r *Receiver) Resource() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	attributes := map[string]string{}
	for _, request := range r.requests {
		for _, resource := range request.ResourceSpans {
			for _, a := range resource.Resource.GetAttributes() {
				attributes[a.Key] = a.Value.GetStringValue()
			}
		}
	}
	return attributes
}
