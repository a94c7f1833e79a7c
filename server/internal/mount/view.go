package mount

import (
	"bytes"
	"slices"
)

// as is the catalog for a client whom found was offered: what is offered to all
// is as it was offered to all, so that it is one thing to whoever compares.
func (cat *Catalog) as(found *Catalog) *Catalog {
	view := *cat
	same := true
	for _, one := range allLists() {
		items, ok := merge(*one.of(cat), *one.of(found), slices.Contains(found.Unlisted, one.method))
		*one.of(&view) = items
		same = same && ok
	}
	if same {
		return cat
	}
	return &view
}

// merge is found, with the items of all as they are in all. same: it is all.
func merge(all, found []Item, unlisted bool) (_ []Item, same bool) {
	if unlisted {
		return all, true
	}
	byName := make(map[string]Item, len(all))
	for _, it := range all {
		byName[it.Name] = it
	}
	items := make([]Item, len(found))
	same = len(all) == len(found)
	for i, it := range found {
		known, ok := byName[it.Name]
		if ok {
			it = known
		}
		items[i], same = it, same && ok
	}
	if same {
		return all, true
	}
	return items, false
}

// differences returns what a reader of was must read again.
func differences(was, is *Catalog) []Change {
	if was == nil {
		was = new(Catalog)
	}
	var changes []Change
	for _, one := range allLists() {
		same := slices.EqualFunc(*one.of(was), *one.of(is), func(a, b Item) bool { return bytes.Equal(a.Raw, b.Raw) })
		if !same && !slices.Contains(changes, one.change) {
			changes = append(changes, one.change)
		}
	}
	return changes
}
