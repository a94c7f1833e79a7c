package demo

import "time"

// kept holds up to max values for a while each; the oldest goes when it is
// full. It is guarded by its owner's mutex.
type kept[T any] struct {
	max   int
	items map[string]keptItem[T]
	order []string // oldest first; may name values already dropped
}

type keptItem[T any] struct {
	value   T
	expires time.Time
}

func newKept[T any](max int) *kept[T] {
	return &kept[T]{max: max, items: map[string]keptItem[T]{}}
}

// put keeps value under key until expires.
func (s *kept[T]) put(key string, value T, expires time.Time) {
	s.items[key] = keptItem[T]{value, expires}
	s.order = append(s.order, key)
	for len(s.order) > s.max {
		delete(s.items, s.order[0])
		s.order = s.order[1:]
	}
}

// get returns what is kept under key, unless its time is over.
func (s *kept[T]) get(key string, now time.Time) (T, bool) {
	item, ok := s.items[key]
	if !ok || !now.Before(item.expires) {
		var none T
		return none, false
	}
	return item.value, true
}

// count says how many values that still have time are as asked.
func (s *kept[T]) count(now time.Time, like func(T) bool) int {
	n := 0
	for _, item := range s.items {
		if now.Before(item.expires) && like(item.value) {
			n++
		}
	}
	return n
}
