package queue

import "container/heap"

// delayed is a heap of items by the time at which they become ready.
type delayed []*item

func (d *delayed) add(i *item)    { heap.Push(d, i) }
func (d *delayed) remove(i *item) { heap.Remove(d, i.index) }

// Len implements heap.Interface.
func (d *delayed) Len() int { return len(*d) }

// Less implements heap.Interface.
func (d *delayed) Less(a, b int) bool { return (*d)[a].readyAt.Before((*d)[b].readyAt) }

// Swap implements heap.Interface.
func (d *delayed) Swap(a, b int) {
	s := *d
	s[a], s[b] = s[b], s[a]
	s[a].index, s[b].index = a, b
}

// Push implements heap.Interface.
func (d *delayed) Push(x any) {
	if i, ok := x.(*item); ok {
		i.index = len(*d)
		*d = append(*d, i)
	}
}

// Pop implements heap.Interface.
func (d *delayed) Pop() any {
	s := *d
	last := s[len(s)-1]
	s[len(s)-1] = nil
	*d = s[:len(s)-1]
	return last
}
