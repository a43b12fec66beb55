package awslocal

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
)

// random generates identifiers, keys and random numbers; the same seed gives the same
// ones in the same order.
type random struct {
	mu  sync.Mutex
	src *rand.Rand
}

func newRandom(seed uint64) *random {
	if seed == 0 {
		seed = rand.Uint64() //nolint:gosec // not for secrets: every caller of the endpoint may do anything
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &random{src: rand.New(rand.NewChaCha8(key))} //nolint:gosec // as above
}

const (
	idLetters     = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	hexLetters    = "0123456789abcdef"
	lowerLetters  = "abcdefghijklmnopqrstuvwxyz0123456789"
	secretLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)

func (r *random) text(letters string, n int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]byte, n)
	for i := range out {
		out[i] = letters[r.src.IntN(len(letters))]
	}
	return string(out)
}

// id generates a unique ID in the form of IAM's:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes
func (r *random) id(prefix string) string { return prefix + r.text(idLetters, 17) }

func (r *random) chance(p float64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p > 0 && r.src.Float64() < p
}

func (r *random) uuid() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], r.src.Uint64())
	binary.LittleEndian.PutUint64(b[8:], r.src.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// extendedID generates the second ID that STS sends with each answer.
func (s *Server) extendedID() string {
	text := fmt.Sprintf("1:%s:S:%d:R:%s", s.options.Region, s.now().UnixMilli(), s.random.text(secretLetters[:62], 8))
	return base64.StdEncoding.EncodeToString([]byte(text))
}

func (r *random) float() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.src.Float64()
}
