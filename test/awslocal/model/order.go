package model

import (
	"cmp"
	"slices"
	"unicode/utf16"
)

// AWS answers with the members of a structure, and reports what is wrong with
// them, in an order that is neither the model's nor the alphabet's: its services
// keep them in a java.util.HashMap by their lower-case names, and the order is
// that of the buckets. All recorded answers of IAM and STS agree with this.
// Clients do not depend on it; who compares whole answers does.

// inOrder returns the members of a structure in AWS's order. Those of one bucket
// stay in the model's.
func inOrder(members []Member) []Member {
	return byBucket(members, func(m Member) string { return lowerFirst(m.Name) })
}

// byBucket sorts values as a HashMap would, by a key of theirs.
func byBucket[T any](values []T, key func(T) string) []T {
	buckets := 16
	for len(values) > buckets*3/4 {
		buckets *= 2
	}
	bucket := func(v T) int { return int(javaHash(key(v))) & (buckets - 1) }
	values = slices.Clone(values)
	slices.SortStableFunc(values, func(a, b T) int { return cmp.Compare(bucket(a), bucket(b)) })
	return values
}

// javaHash is the hash of a string as HashMap spreads it:
// https://docs.oracle.com/javase/8/docs/api/java/lang/String.html#hashCode--
func javaHash(s string) uint32 {
	var h uint32
	for _, c := range utf16.Encode([]rune(s)) {
		h = 31*h + uint32(c)
	}
	return h ^ h>>16
}
