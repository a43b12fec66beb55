package awsiam

import (
	"crypto/sha256"
	"sync"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// documents remembers the canonical form of the policy documents that the last bulk read
// returned, by the hash of the text that AWS sent, so that the next bulk read decodes only
// what has changed. The hash is cryptographic, because tenants choose the texts: two texts
// with the same hash would let one document pass for another. It is safe for concurrent
// use.
type documents struct {
	mu   sync.Mutex
	last map[documentHash]policy.Document
}

type documentHash [sha256.Size]byte

// start returns the documents of a new bulk read.
func (d *documents) start() *knownDocuments {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &knownDocuments{last: d.last, seen: make(map[documentHash]policy.Document, len(d.last))}
}

// replace replaces the remembered documents with those of a bulk read.
func (d *documents) replace(by *knownDocuments) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = by.seen
}

// knownDocuments decodes the documents of one bulk read. It is safe for concurrent use.
type knownDocuments struct {
	last map[documentHash]policy.Document // of the bulk read before; not modified

	mu   sync.Mutex
	seen map[documentHash]policy.Document
}

// decode is document with a cache.
func (k *knownDocuments) decode(encoded string) policy.Document {
	hash := documentHash(sha256.Sum256([]byte(encoded)))
	decoded, ok := k.last[hash]
	if !ok {
		decoded = document(encoded)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen[hash] = decoded
	return decoded
}
