package awslocal

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// defaultPage is how many items IAM returns by default:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
const defaultPage = 100

// page returns the page that a call requests by Marker and MaxItems, and adds IsTruncated
// and Marker to out. A marker names the last item, so that items created or deleted
// meanwhile do not shift the others.
func page[T any](c *call, out model.Struct, items []T, key func(T) string) ([]T, error) {
	start, err := startOf(c.in.Str("Marker"), items, key)
	if err != nil {
		return nil, err
	}
	size := c.in.Int("MaxItems", defaultPage)
	if c.pageCap > 0 {
		size = min(size, c.pageCap)
	}
	end := min(start+size, len(items))
	out["IsTruncated"] = end < len(items)
	if end < len(items) {
		marker := fmt.Sprintf("%d:%s", end, key(items[end-1]))
		out["Marker"] = base64.StdEncoding.EncodeToString([]byte(marker))
	}
	return items[start:end], nil
}

func startOf[T any](marker string, items []T, key func(T) string) (int, error) {
	if marker == "" {
		return 0, nil
	}
	raw, err := base64.StdEncoding.DecodeString(marker)
	at, last, ok := strings.Cut(string(raw), ":")
	index, numErr := strconv.Atoi(at)
	if err != nil || !ok || numErr != nil || index < 1 {
		return 0, model.Errorf("ValidationError", "Invalid Marker.")
	}
	if i := slices.IndexFunc(items, func(item T) bool { return key(item) == last }); i >= 0 {
		return i + 1, nil
	}
	if i := slices.IndexFunc(items, func(item T) bool { return key(item) > last }); i >= 0 && sortedBy(items, key) {
		return i, nil
	}
	return min(index, len(items)), nil
}

func sortedBy[T any](items []T, key func(T) string) bool {
	return slices.IsSortedFunc(items, func(a, b T) int { return strings.Compare(key(a), key(b)) })
}
